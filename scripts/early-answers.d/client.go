// Sends requests whose answer comes before their body was read, over HTTP/1.1, and counts the answers that do not arrive.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// zeros is a body of any length.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func main() {
	url := flag.String("url", "", "where to send")
	method := flag.String("method", "POST", "how")
	want := flag.Int("want", 401, "the status that must come")
	tries := flag.Int("tries", 200, "how often")
	size := flag.Int64("size", 16<<20, "bytes of the body")
	chunked := flag.Bool("chunked", false, "announce no length")
	user := flag.String("user", "", "name")
	password := flag.String("password", "", "password")
	ca := flag.String("ca", "", "PEM file of the CA")
	local := flag.String("local", "", "address to connect from")
	fresh := flag.Bool("fresh", false, "use each connection once")
	flag.Parse()

	pem, err := os.ReadFile(*ca)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := net.Dialer{}
	if *local != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(*local)}
	}
	client := http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext:     dialer.DialContext,
			TLSClientConfig: &tls.Config{RootCAs: roots},
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}
	lost, last := 0, ""
	for range *tries {
		request, err := http.NewRequest(*method, *url, io.NopCloser(io.LimitReader(zeros{}, *size)))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if !*chunked {
			request.ContentLength = *size
		}
		if *user != "" {
			request.SetBasicAuth(*user, *password)
		}
		response, err := client.Do(request)
		if err != nil {
			lost, last = lost+1, err.Error()
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if *fresh {
			client.CloseIdleConnections()
		}
		if err != nil || response.StatusCode != *want {
			lost, last = lost+1, fmt.Sprintf("%d %v %.200s", response.StatusCode, err, body)
		}
	}
	fmt.Println(lost, last)
}
