package main

import (
	"net"
	"time"
)

// What a direction holds at most, in pieces; the rest waits at the sender, as it would for a window of TCP.
const maxPieces = 4096

// A piece of a stream, and when it is due at the other end.
type piece struct {
	content []byte
	due     time.Time
}

// relay passes connections on, each direction later by the same delay, with any bandwidth.
func relay(listen, to string, delay time.Duration) {
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
			go pass(from, other, delay)
			pass(other, from, delay)
		}()
	}
}

// pass copies one direction to its end.
func pass(from, to net.Conn, delay time.Duration) {
	pieces := make(chan piece, maxPieces)
	go func() {
		defer close(pieces)
		for {
			content := make([]byte, 64*1024)
			read, err := from.Read(content)
			if err != nil {
				return
			}
			pieces <- piece{content[:read], time.Now().Add(delay)}
		}
	}()
	for piece := range pieces {
		time.Sleep(time.Until(piece.due))
		if _, err := to.Write(piece.content); err != nil {
			from.Close()
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	// After a failed write, what still comes is dropped.
	for range pieces {
	}
}
