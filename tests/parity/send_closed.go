package main

import "fmt"

// A send on a closed channel panics: here it says closed.
func init() {
	programs["send_closed"] = func() {
		ch := make(chan int, 2)
		ch <- 1
		close(ch)
		fmt.Println("closed:", closed(func() { ch <- 2 }))
		v, ok := <-ch
		fmt.Println(v, ok)
		v, ok = <-ch
		fmt.Println(v, ok)
	}
}
