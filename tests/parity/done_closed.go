package main

import (
	"fmt"
	"time"
)

// Closing a channel tells everybody at once.
func init() {
	programs["done_closed"] = func() {
		done := make(chan bool)
		ends := make(chan int)
		for i := 0; i < 3; i++ {
			go func() {
				n := 0
				for {
					select {
					case <-done:
						ends <- n
						return
					case <-time.After(moment / 4):
						n++
					}
				}
			}()
		}
		time.Sleep(3 * moment)
		close(done)
		for i := 0; i < 3; i++ {
			fmt.Println("had worked:", <-ends > 0)
		}
	}
}
