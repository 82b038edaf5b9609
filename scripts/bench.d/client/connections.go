package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// connect opens connections for a while, each with a whole handshake for one request, and prints how many a second there were, how many
// in all, and its own CPU seconds. Segments are sent at once: where one waits for the acknowledgement of the one before, a server that has
// nothing to send in between appears slow.
func connect(address, path, header string, clients int, duration time.Duration) {
	parsed, err := url.Parse(address)
	if err != nil {
		fail(err)
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\nConnection: close\r\n", path, parsed.Host, manifestType)
	if header != "" {
		request = fmt.Appendf(request, "%s\r\n", header)
	}
	request = append(request, "\r\n"...)
	config := &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
	var count atomic.Int64
	var group sync.WaitGroup
	began, before := time.Now(), cpuSeconds()
	for range clients {
		group.Go(func() {
			answer := make([]byte, 64*1024)
			for time.Since(began) < duration {
				if err := once(parsed.Host, config, request, answer); err != nil {
					fail(err)
				}
				count.Add(1)
			}
		})
	}
	group.Wait()
	fmt.Printf("%.1f %d %.3f\n", float64(count.Load())/time.Since(began).Seconds(), count.Load(), cpuSeconds()-before)
}

func once(host string, config *tls.Config, request, answer []byte) error {
	connection, err := tls.Dial("tcp", host, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := connection.Write(request); err != nil {
		return err
	}
	length, err := io.ReadFull(connection, answer)
	if err != io.ErrUnexpectedEOF && err != io.EOF {
		return fmt.Errorf("the answer does not end: %v", err)
	}
	if !bytes.HasPrefix(answer[:length], []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("the answer was %s", answer[:length])
	}
	return nil
}
