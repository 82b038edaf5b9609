package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// flood lets every client, each with a connection of its own, do one thing at the same time: push a blob in one request, or get `path` where
// one is given. What is too much at once is tried again, as clients do. Prints the seconds, and how often it was tried again.
func flood(path string, size int64, clients int, fresh func() *client) {
	content := make([]byte, 1<<20)
	if _, err := rand.Read(content); err != nil {
		fail(err)
	}
	digest := digestOf(bytes.Repeat(content, int(size/int64(len(content)))))
	var group sync.WaitGroup
	var lock sync.Mutex
	again := 0
	began := time.Now()
	for range clients {
		client := fresh()
		client.http.Timeout = 10 * time.Minute
		group.Go(func() {
			for {
				status, err := client.floodOnce(path, digest, content, size)
				if err != nil {
					fail(err)
				}
				if status == http.StatusOK || status == http.StatusCreated {
					return
				}
				if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
					fail(fmt.Errorf("the answer was %d", status))
				}
				lock.Lock()
				again++
				lock.Unlock()
				time.Sleep(time.Second)
			}
		})
	}
	group.Wait()
	fmt.Printf("%.2f %d\n", time.Since(began).Seconds(), again)
}

func (c *client) floodOnce(path, digest string, content []byte, size int64) (int, error) {
	method, url, body := "GET", c.base+path, io.Reader(nil)
	if path == "" {
		method, url = "POST", c.base+"/v2/"+c.into+"/blobs/uploads/?digest="+digest
		readers := make([]io.Reader, size/int64(len(content)))
		for number := range readers {
			readers[number] = bytes.NewReader(content)
		}
		body = io.MultiReader(readers...)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set(c.name, c.value)
	if path == "" {
		request.ContentLength = size
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, answer.Body); err != nil {
		return 0, err
	}
	if path != "" && answer.StatusCode == http.StatusOK && !strings.HasSuffix(path, hex.EncodeToString(hash.Sum(nil))) {
		return 0, fmt.Errorf("%s came with other content", path)
	}
	return answer.StatusCode, nil
}
