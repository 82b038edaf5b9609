package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
)

// Content that is the same for the same seed, so that it need not be kept to be compared.
func content(seed int64, size int) []byte {
	bytes := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(bytes)
	return bytes
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// An image: a config and a layer, and its manifest.
type image struct {
	blobs    [][]byte
	manifest []byte
}

func makeImage(seed int64, layerSize int) image {
	layer := content(seed, layerSize)
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}`, digestOf(layer))
	describe := func(kind string, blob []byte) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"%s","size":%d}`, kind, digestOf(blob), len(blob))
	}
	return image{
		blobs: [][]byte{config, layer},
		manifest: fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}`,
			manifestType, describe("config.v1+json", config), describe("layer.v1.tar+gzip", layer)),
	}
}

func scopeOf(repository string) string { return "repository:" + repository + ":pull,push,delete" }

// begin opens an upload session and gives its address.
func (c *cluster) begin(base, repository string) (string, error) {
	got, err := c.send(base, request{method: "POST", url: "/v2/" + repository + "/blobs/uploads/", scope: scopeOf(repository), wanted: 202})
	return got.header.Get("Location"), err
}

// chunk appends, and gives the session's next address.
func (c *cluster) chunk(base, repository, location string, from int, part []byte) (string, error) {
	header := map[string]string{
		"Content-Type":  "application/octet-stream",
		"Content-Range": fmt.Sprintf("%d-%d", from, from+len(part)-1),
	}
	got, err := c.send(base, request{"PATCH", location, part, header, scopeOf(repository), 202})
	return got.header.Get("Location"), err
}

// finish makes a blob of the session.
func (c *cluster) finish(base, repository, location, digest string) error {
	joint := "?"
	if strings.Contains(location, "?") {
		joint = "&"
	}
	_, err := c.send(base, request{method: "PUT", url: location + joint + "digest=" + digest, scope: scopeOf(repository), wanted: 201})
	return err
}

// progress asks how many bytes a session has, and for its next address.
func (c *cluster) progress(base, repository, location string) (int, string, error) {
	got, err := c.send(base, request{method: "GET", url: location, scope: scopeOf(repository), wanted: 204})
	if err != nil {
		return 0, "", err
	}
	_, last, _ := strings.Cut(got.header.Get("Range"), "-")
	end, err := strconv.Atoi(last)
	if err != nil || end == 0 {
		return 0, got.header.Get("Location"), nil
	}
	return end + 1, got.header.Get("Location"), nil
}

func (c *cluster) hasBlob(base, repository, digest string) bool {
	_, err := c.send(base, request{method: "HEAD", url: "/v2/" + repository + "/blobs/" + digest, scope: scopeOf(repository), wanted: 200})
	return err == nil
}

// get fetches content and compares it with its digest.
func (c *cluster) get(base, repository, kind, reference, digest string) ([]byte, error) {
	got, err := c.send(base, request{
		method: "GET", url: "/v2/" + repository + "/" + kind + "/" + reference,
		header: map[string]string{"Accept": manifestType}, scope: scopeOf(repository), wanted: 200,
	})
	if err == nil && digestOf(got.body) != digest {
		err = fmt.Errorf("%s/%s/%s came with other content: %s, not %s", repository, kind, reference, digestOf(got.body), digest)
	}
	return got.body, err
}

func (c *cluster) tag(base, repository, tag string, manifest []byte) error {
	_, err := c.send(base, request{
		method: "PUT", url: "/v2/" + repository + "/manifests/" + tag, body: manifest,
		header: map[string]string{"Content-Type": manifestType}, scope: scopeOf(repository), wanted: 201,
	})
	return err
}
