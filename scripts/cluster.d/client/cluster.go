package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// A cluster as clients see it. Tokens are kept as clients keep them, whichever node issued them.
type cluster struct {
	settings
	http   *http.Client
	nodes  []string // URLs
	mutex  sync.Mutex
	tokens map[string]token
}

type token struct {
	value string
	until time.Time
}

// An answer that was not the wanted one.
type refused struct {
	status int
	text   string
}

func (r refused) Error() string { return fmt.Sprintf("%d %s", r.status, firstLine(r.text)) }

// What a request is about.
type request struct {
	method, url string
	body        []byte
	header      map[string]string
	scope       string // of the token; empty: name and password
	wanted      int
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func newCluster(given settings) *cluster {
	pem, err := os.ReadFile(given.CA)
	if err != nil {
		fail("%v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 32,
		// Balanced again from time to time, as clients that start for each command are.
		IdleConnTimeout: 5 * time.Second,
	}
	c := &cluster{settings: given, tokens: map[string]token{}, http: &http.Client{Transport: transport, Timeout: 45 * time.Second}}
	for _, node := range given.Nodes {
		c.nodes = append(c.nodes, node)
	}
	return c
}

// anyNode is the URL of a node's own port.
func (c *cluster) anyNode() string { return c.nodes[rand.Intn(len(c.nodes))] }

// send asks once. A relative URL is at `base`, an absolute one is moved there.
func (c *cluster) send(base string, r request) (answer, error) {
	place := at(base, r.url)
	req, err := http.NewRequest(r.method, place, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if r.scope == "" {
		req.SetBasicAuth(c.User, c.Password)
	} else {
		value, err := c.token(base, r.scope)
		if err != nil {
			return answer{}, fmt.Errorf("token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+value)
	}
	got, err := c.exchange(req)
	if err == nil && got.status != r.wanted {
		err = refused{got.status, string(got.body)}
	}
	if got.status == http.StatusUnauthorized {
		c.forget(r.scope)
	}
	return got, err
}

func (c *cluster) exchange(req *http.Request) (answer, error) {
	response, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

func (c *cluster) token(base, scope string) (string, error) {
	c.mutex.Lock()
	kept := c.tokens[scope]
	c.mutex.Unlock()
	if time.Now().Before(kept.until) {
		return kept.value, nil
	}
	query := url.Values{"service": {"portcullis"}, "scope": {scope}}
	req, err := http.NewRequest("GET", base+"/auth/token?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(c.User, c.Password)
	got, err := c.exchange(req)
	if err != nil {
		return "", err
	}
	var issued struct{ Token string }
	if got.status != http.StatusOK || json.Unmarshal(got.body, &issued) != nil {
		return "", refused{got.status, string(got.body)}
	}
	c.mutex.Lock()
	c.tokens[scope] = token{issued.Token, time.Now().Add(3 * time.Minute)}
	c.mutex.Unlock()
	return issued.Token, nil
}

func (c *cluster) forget(scope string) {
	c.mutex.Lock()
	delete(c.tokens, scope)
	c.mutex.Unlock()
}

// at gives the URL of a path, or of the path in a URL, on another node.
func at(base, place string) string {
	if parsed, err := url.Parse(place); err == nil {
		place = parsed.RequestURI()
	}
	return base + place
}

// reasonOf names a failure in a word or two.
func reasonOf(err error) string {
	var refusal refused
	switch text := err.Error(); {
	case errors.As(err, &refusal):
		return fmt.Sprint(refusal.status)
	case strings.Contains(text, "connection refused"):
		return "connection refused"
	case strings.Contains(text, "Timeout"), strings.Contains(text, "deadline"):
		return "time-out"
	default:
		return "connection broken"
	}
}

func statusOf(err error) int {
	var refusal refused
	if errors.As(err, &refusal) {
		return refusal.status
	}
	return 0
}
