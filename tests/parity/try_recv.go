package main

import "fmt"

// A try on an empty channel, and on one that has something.
func init() {
	programs["try_recv"] = func() {
		ch := make(chan int, 1)
		try := func() {
			select {
			case v := <-ch:
				fmt.Println("received", v)
			default:
				fmt.Println("empty")
			}
		}
		try()
		ch <- 1
		try()
		try()
	}
}
