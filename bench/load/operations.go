package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// operation does one thing on a connection and returns the bytes of the answer's body. It is given a number that no
// other call of the run has.
type operation func(c *connection, number int) (int64, error)

// newOperation makes one worker's operation: it may keep state from call to call.
func newOperation(o *options, e *endpoint) (operation, error) {
	list := e.get(query(o.query))
	switch o.mode {
	case "get":
		return func(c *connection, number int) (int64, error) {
			return c.exchange(e.get("/" + objectName(o, spread(number, o.objects))))
		}, nil
	case "list":
		return func(c *connection, _ int) (int64, error) { return c.exchange(list) }, nil
	case "changed-list":
		return func(c *connection, number int) (int64, error) {
			if _, err := c.exchange(change(o, e, spread(number, o.objects))); err != nil {
				return 0, err
			}
			return c.exchange(list)
		}, nil
	case "page":
		return pages(o, e), nil
	case "create":
		return func(c *connection, number int) (int64, error) { return c.exchange(create(o, e, number)) }, nil
	case "delete":
		return func(c *connection, number int) (int64, error) {
			return c.exchange(e.request("DELETE", "/"+objectName(o, number), "", nil))
		}, nil
	}
	return nil, fmt.Errorf("no such mode: %q", o.mode)
}

// pages reads a page of a list after the other, then begins again.
func pages(o *options, e *endpoint) operation {
	var body bytes.Buffer
	token := ""
	return func(c *connection, _ int) (int64, error) {
		below := query(o.query)
		if token != "" {
			below += "&continue=" + token
		}
		response, err := c.send(e.get(below))
		if err != nil {
			return 0, err
		}
		body.Reset()
		read, err := body.ReadFrom(response.Body)
		token = stringMember(body.Bytes(), "continue")
		return read, err
	}
}

func query(text string) string {
	if text == "" {
		return ""
	}
	return "?" + text
}

func objectName(o *options, number int) string {
	return o.prefix + "-" + strconv.Itoa(number)
}

// spread visits all numbers below n in an order that is not the names'.
func spread(number, n int) int {
	const stride = 7919 // a prime: no n in use divides it
	return number * stride % n
}

func create(o *options, e *endpoint, number int) []byte {
	body := strings.NewReplacer("NAME", objectName(o, number), "SENT", sent()).Replace(o.template)
	return e.request("POST", "", "application/json", []byte(body))
}

func change(o *options, e *endpoint, number int) []byte {
	body := fmt.Sprintf(`{"metadata":{"annotations":{"sent":"%s"}}}`, sent())
	return e.request("PATCH", "/"+objectName(o, number), "application/merge-patch+json", []byte(body))
}

// sent is the time in nanoseconds: 19 digits.
func sent() string {
	return strconv.FormatInt(time.Now().UnixNano(), 10)
}

// stringMember is the value of the first member of that name, "" if there is none. Values must need no unescaping.
func stringMember(document []byte, name string) string {
	_, rest, _ := bytes.Cut(document, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}
