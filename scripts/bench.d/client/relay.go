package main

import (
	"net"
	"time"
)

// A piece of a stream, and when it is due at the other end.
type piece struct {
	content []byte
	due     time.Time
}

// relay passes connections on, each direction later by the same delay. A direction carries at most a window for each round trip, as
// TCP does with the sender's largest buffer (net.ipv4.tcp_wmem, 4 MiB on Linux).
func relay(listen, to string, delay time.Duration, window int) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		fail(err)
	}
	for {
		from, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go func() {
			other, err := net.Dial("tcp", to)
			if err != nil {
				fail(err)
			}
			go pass(from, other, delay, window)
			pass(other, from, delay, window)
		}()
	}
}

const pieceSize = 16 * 1024

// pass copies one direction to its end.
func pass(from, to net.Conn, delay time.Duration, window int) {
	// What was read and is not acknowledged yet: a piece is when it has been written and the same delay has passed once more.
	unacknowledged := make(chan struct{}, window/pieceSize)
	pieces, written := make(chan piece, cap(unacknowledged)), make(chan time.Time, cap(unacknowledged))
	go func() {
		defer close(pieces)
		for {
			content := make([]byte, pieceSize)
			read, err := from.Read(content)
			if err != nil {
				return
			}
			unacknowledged <- struct{}{}
			pieces <- piece{content[:read], time.Now().Add(delay)}
		}
	}()
	go func() {
		for at := range written {
			time.Sleep(time.Until(at.Add(delay)))
			<-unacknowledged
		}
	}()
	failed := false
	for piece := range pieces {
		time.Sleep(time.Until(piece.due))
		// After a failed write, what still comes is dropped.
		if _, err := to.Write(piece.content); err != nil && !failed {
			failed = true
			from.Close()
		}
		written <- time.Now()
	}
	close(written)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}
