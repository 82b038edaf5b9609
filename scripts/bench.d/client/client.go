// Pushes and pulls small images as docker's engine does, over connections that are kept alive; opens new connections; or passes them on with a delay.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// A blob with what its descriptor says of it.
type blob struct {
	kind, digest string
	content      []byte
}

type image struct {
	tag      string
	blobs    []blob // the config first
	manifest []byte
}

// A client with connections of its own.
type client struct {
	http     http.Client
	base     string
	name     string // of the header
	value    string
	location string // of the upload, as the last answer gave it
	into     string // the repository that it pushes to
}

// The registry has refused, for example because of a quota.
var errDenied = errors.New("denied")

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// Images that are the same for the same seed: a config and one or two layers of 1 to 64 KiB.
func makeImages(seed int64, count int) []image {
	random := rand.New(rand.NewSource(seed))
	images := make([]image, count)
	for number := range images {
		var layers, diffs []string
		var blobs []blob
		for range 1 + random.Intn(2) {
			content := make([]byte, 1024+random.Intn(63*1024))
			random.Read(content)
			layer := blob{layerType, digestOf(content), content}
			blobs = append(blobs, layer)
			layers, diffs = append(layers, layer.descriptor()), append(diffs, `"`+layer.digest+`"`)
		}
		config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%s]}}`, strings.Join(diffs, ","))
		first := blob{configType, digestOf(config), config}
		images[number] = image{
			tag:   fmt.Sprintf("i%d-%d", seed, number),
			blobs: append([]blob{first}, blobs...),
			manifest: fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}`,
				manifestType, first.descriptor(), strings.Join(layers, ",")),
		}
	}
	return images
}

func (b blob) descriptor() string {
	return fmt.Sprintf(`{"mediaType":"%s","digest":"%s","size":%d}`, b.kind, b.digest, len(b.content))
}

// Asks, and fails unless one of the wanted statuses comes.
func (c *client) ask(method, url string, body io.Reader, kind string, wanted int) ([]byte, error) {
	if strings.HasPrefix(url, "/") {
		url = c.base + url
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, err
	}
	if c.name != "" {
		request.Header.Set(c.name, c.value)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("Accept", manifestType)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusForbidden && bytes.Contains(content, []byte("DENIED")) {
		return nil, errDenied
	}
	if answer.StatusCode != wanted {
		return nil, fmt.Errorf("%s %s: %s, not %d: %s", method, url, answer.Status, wanted, content)
	}
	c.location = answer.Header.Get("Location")
	return content, nil
}

// As docker's engine: is it there, begin, one PATCH without a length, commit; the manifest last.
func (c *client) push(repository string, image image) error {
	for _, blob := range image.blobs {
		place := "/v2/" + repository + "/blobs/"
		if _, err := c.ask("HEAD", place+blob.digest, nil, "", 404); err != nil {
			return err
		}
		if _, err := c.ask("POST", place+"uploads/", nil, "", 202); err != nil {
			return err
		}
		unsized := struct{ io.Reader }{bytes.NewReader(blob.content)}
		if _, err := c.ask("PATCH", c.location, unsized, "application/octet-stream", 202); err != nil {
			return err
		}
		joint := "?"
		if strings.Contains(c.location, "?") {
			joint = "&"
		}
		if _, err := c.ask("PUT", c.location+joint+"digest="+blob.digest, nil, "", 201); err != nil {
			return err
		}
	}
	_, err := c.ask("PUT", "/v2/"+repository+"/manifests/"+image.tag, bytes.NewReader(image.manifest), manifestType, 201)
	return err
}

// As containerd: the tag, the manifest by digest, the config and the layers; checks every digest.
func (c *client) pull(repository string, image image) error {
	if _, err := c.ask("HEAD", "/v2/"+repository+"/manifests/"+image.tag, nil, "", 200); err != nil {
		return err
	}
	manifest := blob{manifestType, digestOf(image.manifest), image.manifest}
	for number, blob := range append([]blob{manifest}, image.blobs...) {
		place := "/v2/" + repository + "/blobs/"
		if number == 0 {
			place = "/v2/" + repository + "/manifests/"
		}
		content, err := c.ask("GET", place+blob.digest, nil, "", 200)
		if err != nil {
			return err
		}
		if digestOf(content) != blob.digest {
			return fmt.Errorf("%s came with other content", blob.digest)
		}
	}
	return nil
}

func newClient(base, header string) *client {
	name, value, _ := strings.Cut(header, ": ")
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DisableCompression: true,
	}
	return &client{http: http.Client{Transport: transport, Timeout: time.Minute}, base: base, name: name, value: value}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "client:", err)
	os.Exit(1)
}

// run shares the images out to clients, and prints the seconds that it took and its own CPU seconds.
func run(images []image, clients int, make func() *client, each func(*client, image) error) {
	queue := newQueue(images)
	var group sync.WaitGroup
	began, before := time.Now(), cpuSeconds()
	for range clients {
		group.Go(func() {
			client := make()
			for image := range queue {
				if err := each(client, image); err != nil {
					fail(err)
				}
			}
		})
	}
	group.Wait()
	fmt.Printf("%.4f %.3f\n", time.Since(began).Seconds(), cpuSeconds()-before)
}

func newQueue(images []image) <-chan image {
	queue := make(chan image, len(images))
	for _, image := range images {
		queue <- image
	}
	close(queue)
	return queue
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: client push|pull|connect|flood|relay FLAGS"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	url := flags.String("url", "", "of the registry; of several nodes, comma separated")
	header := flags.String("header", "", "that each request carries, as NAME: VALUE")
	repository := flags.String("repository", "bench/app", "of the images; N in it is the client's number")
	mayRefuse := flags.Bool("may-refuse", false, "count pushes that are denied instead of failing")
	size := flags.Int64("size", 10<<20, "bytes of each blob of a flood")
	clients := flags.Int("clients", 1, "at once")
	count := flags.Int("count", 200, "images")
	seed := flags.Int64("seed", 1, "of their content")
	path := flags.String("path", "", "that each new connection asks for")
	duration := flags.Duration("duration", 4*time.Second, "of new connections")
	listen := flags.String("listen", "", "address of the relay")
	to := flags.String("to", "", "address to pass connections on to")
	delay := flags.Duration("delay", 25*time.Millisecond, "of each direction")
	window := flags.Int("window", 4<<20, "bytes that a direction carries in a round trip")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	var made atomic.Int64
	var denied atomic.Int64
	nodes := strings.Split(*url, ",")
	fresh := func() *client {
		number := made.Add(1) - 1
		client := newClient(nodes[number%int64(len(nodes))], *header)
		client.into = strings.ReplaceAll(*repository, "N", fmt.Sprint(number))
		return client
	}
	push := func(c *client, image image) error {
		err := c.push(c.into, image)
		if *mayRefuse && errors.Is(err, errDenied) {
			denied.Add(1)
			return nil
		}
		return err
	}
	switch os.Args[1] {
	case "push":
		run(makeImages(*seed, *count), *clients, fresh, push)
		if *mayRefuse {
			fmt.Println(denied.Load())
		}
	case "flood":
		flood(*path, *size, *clients, fresh)
	case "pull":
		run(makeImages(*seed, *count), *clients, fresh, func(c *client, image image) error { return c.pull(*repository, image) })
	case "connect":
		connect(*url, *path, *header, *clients, *duration)
	case "relay":
		relay(*listen, *to, *delay, *window)
	default:
		fail(fmt.Errorf("unknown: %s", os.Args[1]))
	}
}
