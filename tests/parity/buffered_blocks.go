package main

import (
	"fmt"
	"time"
)

// A send into a full buffer waits until one is received.
func init() {
	programs["buffered_blocks"] = func() {
		ch := make(chan int, 2)
		ch <- 1
		ch <- 2
		begun := time.Now()
		waited := make(chan bool, 1)
		go func() {
			ch <- 3
			waited <- time.Since(begun) >= moment
		}()
		time.Sleep(moment)
		fmt.Println("received", <-ch)
		fmt.Println("the sender waited:", <-waited)
		fmt.Println("received", <-ch)
		fmt.Println("received", <-ch)
	}
}
