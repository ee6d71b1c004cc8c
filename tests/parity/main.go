// Small programs with Go's channels. Each has a twin in C that uses libleat, and both must print
// what lies beside them: parity.py compares.
package main

import (
	"fmt"
	"os"
	"time"
)

var programs = map[string]func(){}

const moment = 40 * time.Millisecond

// closed says whether f panics, as a send on a closed channel does.
func closed(f func()) (is bool) {
	defer func() { is = recover() != nil }()
	f()
	return
}

func main() {
	program := programs[os.Args[1]]
	if program == nil {
		fmt.Fprintln(os.Stderr, "no such program:", os.Args[1])
		os.Exit(2)
	}
	program()
}
