package main

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"time"
)

const workers = 6

// A push that was acknowledged: the repository, the tag, and what was pushed.
type pushed struct {
	repository, tag string
	seed            int64
	size            int
}

// What all workers know.
type acknowledged struct {
	mutex sync.Mutex
	kept  []pushed
}

func (l *acknowledged) add(entry pushed) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.kept = append(l.kept, entry)
}

func (l *acknowledged) any() (pushed, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.kept) == 0 {
		return pushed{}, false
	}
	return l.kept[rand.Intn(len(l.kept))], true
}

// load pushes and pulls through the balancer until a file appears, and repeats what fails; then reads every acknowledged push back, bit for
// bit, from nodes at random. With "strict" as second argument no request may fail at all but for connections that a node closed.
func load(c *cluster, arguments []string) bool {
	total, all := newTally(), &acknowledged{}
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := 0; missing(arguments[0]); round++ {
				c.work(worker, round, total, all)
			}
		})
	}
	group.Wait()
	total.print()
	lost := c.readBack(all)
	fmt.Printf("  %d acknowledged pushes read back: %d lost or changed\n", len(all.kept), lost)
	good := lost == 0 && len(total.givenUp) == 0 && len(all.kept) > 0
	if len(arguments) > 1 && arguments[1] == "strict" {
		for reason, count := range total.reasons {
			good = good && (count == 0 || reason == "connection broken" || reason == "connection refused")
		}
	}
	return good
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, os.ErrNotExist)
}

// work is one push, the moved tag of this worker, and a pull of what anyone pushed.
func (c *cluster) work(worker, round int, total *tally, all *acknowledged) {
	entry := pushed{fmt.Sprintf("cluster/load-%d", worker), fmt.Sprintf("t%d", round), rand.Int63(), 1024 + rand.Intn(63<<10)}
	if round%20 == 19 {
		entry.size = 6<<20 + rand.Intn(1<<20)
	}
	image := makeImage(entry.seed, entry.size)
	done := true
	for _, blob := range image.blobs {
		done = done && c.pushBlob(entry.repository, blob, total)
	}
	done = done && total.persist("manifest put", func() error {
		return c.tag(c.Balancer, entry.repository, entry.tag, image.manifest)
	})
	if done {
		all.add(entry)
		// The tag that moves: every node must have the new one at once.
		moved := total.persist("tag put", func() error { return c.tag(c.Balancer, entry.repository, "latest", image.manifest) })
		if moved {
			total.persist("tag get", func() error {
				_, err := c.get(c.Balancer, entry.repository, "manifests", "latest", digestOf(image.manifest))
				return err
			})
		}
	}
	if other, ok := all.any(); ok {
		image := makeImage(other.seed, other.size)
		total.persist("manifest get", func() error {
			_, err := c.get(c.Balancer, other.repository, "manifests", other.tag, digestOf(image.manifest))
			return err
		})
		total.persist("blob get", func() error {
			digest := digestOf(image.blobs[1])
			_, err := c.get(c.Balancer, other.repository, "blobs", digest, digest)
			return err
		})
	}
}

// pushBlob uploads in one to three chunks, and continues a session that was cut off where it stands.
func (c *cluster) pushBlob(repository string, blob []byte, total *tally) bool {
	digest, location, offset := digestOf(blob), "", 0
	step := len(blob)/3 + 1
	return total.persist("blob push", func() error {
		if location != "" {
			length, next, err := c.progress(c.Balancer, repository, location)
			switch {
			case err == nil:
				location, offset = next, length
			case statusOf(err) == 404 && c.hasBlob(c.Balancer, repository, digest):
				return nil
			case statusOf(err) == 404:
				location = ""
			default:
				return fmt.Errorf("progress: %w", err)
			}
		}
		var err error
		if location == "" {
			if location, err = c.begin(c.Balancer, repository); err != nil {
				location = ""
				return fmt.Errorf("begin: %w", err)
			}
			offset = 0
		}
		for next := location; offset < len(blob); location = next {
			end := min(offset+step, len(blob))
			if next, err = c.chunk(c.Balancer, repository, location, offset, blob[offset:end]); err != nil {
				return fmt.Errorf("chunk: %w", err)
			}
			offset = end
		}
		if err = c.finish(c.Balancer, repository, location, digest); err != nil {
			return fmt.Errorf("finish: %w", err)
		}
		return nil
	})
}

// readBack counts what is lost, or is not what was pushed.
func (c *cluster) readBack(all *acknowledged) int {
	var mutex sync.Mutex
	var group sync.WaitGroup
	lost, queue, began := 0, make(chan pushed), time.Now()
	for range workers {
		group.Go(func() {
			for entry := range queue {
				if err := c.compare(entry); err != nil {
					mutex.Lock()
					lost++
					if lost <= 5 {
						fmt.Printf("    LOST %s:%s: %s\n", entry.repository, entry.tag, firstLine(err.Error()))
					}
					mutex.Unlock()
				}
			}
		})
	}
	for _, entry := range all.kept {
		queue <- entry
	}
	close(queue)
	group.Wait()
	fmt.Printf("  read back in %.1f s\n", time.Since(began).Seconds())
	return lost
}

func (c *cluster) compare(entry pushed) error {
	image := makeImage(entry.seed, entry.size)
	node := c.anyNode()
	if _, err := c.get(node, entry.repository, "manifests", entry.tag, digestOf(image.manifest)); err != nil {
		return err
	}
	for _, blob := range image.blobs {
		digest := digestOf(blob)
		if _, err := c.get(node, entry.repository, "blobs", digest, digest); err != nil {
			return err
		}
	}
	return nil
}
