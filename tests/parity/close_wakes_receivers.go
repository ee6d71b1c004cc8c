package main

import (
	"fmt"
	"time"
)

// Receivers that wait hear of the end.
func init() {
	programs["close_wakes_receivers"] = func() {
		ch := make(chan int)
		ends := make(chan bool, 3)
		for i := 0; i < 3; i++ {
			go func() {
				_, ok := <-ch
				ends <- ok
			}()
		}
		time.Sleep(moment)
		close(ch)
		for i := 0; i < 3; i++ {
			fmt.Println("ok:", <-ends)
		}
	}
}
