package main

import (
	"fmt"
	"time"
)

// A select gives up after a time.
func init() {
	programs["select_timeout"] = func() {
		a := make(chan int)
		begun := time.Now()
		select {
		case <-a:
			fmt.Println("a")
		case <-time.After(moment):
			fmt.Println("timeout")
		}
		fmt.Println("waited:", time.Since(begun) >= moment)
		go func() { a <- 7 }()
		select {
		case v := <-a:
			fmt.Println("a", v)
		case <-time.After(100 * moment):
			fmt.Println("timeout")
		}
	}
}
