package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// endpoint is where the connections go, and what all of their requests have in common.
type endpoint struct {
	host    string
	path    string // of the collection
	tls     *tls.Config
	headers string
}

func newEndpoint(o *options) (*endpoint, error) {
	parsed, err := url.Parse(o.url)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(o.caFile)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", o.caFile)
	}
	headers := fmt.Sprintf("Host: %s\r\nAuthorization: Bearer %s\r\nUser-Agent: load\r\nAccept: application/json\r\n", parsed.Host, o.token)
	if o.gzip {
		headers += "Accept-Encoding: gzip\r\n"
	}
	config := &tls.Config{RootCAs: authorities, ServerName: parsed.Hostname(), NextProtos: []string{"http/1.1"}}
	return &endpoint{parsed.Host, parsed.Path, config, headers}, nil
}

// get is a prepared GET of something below the collection: "" is the collection itself.
func (e *endpoint) get(below string) []byte {
	return e.request("GET", below, "", nil)
}

func (e *endpoint) request(method, below, mediaType string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\n%s", method, e.path, below, e.headers)
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", mediaType, len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// connection is one TLS connection, used by one goroutine.
type connection struct {
	*tls.Conn
	reader *bufio.Reader
}

func (e *endpoint) connect() (*connection, error) {
	conn, err := tls.Dial("tcp", e.host, e.tls)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

// send returns the answer to a prepared request, its body unread. An error when it is no success.
func (c *connection) send(request []byte) (*http.Response, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		line, _, _ := bytes.Cut(request, []byte("\r\n"))
		return nil, fmt.Errorf("%s: %s: %s", line, response.Status, body)
	}
	return response, nil
}

// exchange sends a prepared request and reads the answer to its end; returns the body's length.
func (c *connection) exchange(request []byte) (int64, error) {
	response, err := c.send(request)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, response.Body)
}
