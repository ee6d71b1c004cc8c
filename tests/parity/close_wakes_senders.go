package main

import (
	"fmt"
	"time"
)

// Senders that wait panic when the channel is closed; what is in stays.
func init() {
	programs["close_wakes_senders"] = func() {
		ch := make(chan int, 1)
		ch <- 1
		ends := make(chan bool, 2)
		for i := 0; i < 2; i++ {
			go func() { ends <- closed(func() { ch <- 2 }) }()
		}
		time.Sleep(moment)
		close(ch)
		for i := 0; i < 2; i++ {
			fmt.Println("closed:", <-ends)
		}
		v, ok := <-ch
		fmt.Println(v, ok)
		v, ok = <-ch
		fmt.Println(v, ok)
	}
}
