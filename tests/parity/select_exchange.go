package main

import "fmt"

// Two peers offer and accept at once; exactly one way happens.
func init() {
	programs["select_exchange"] = func() {
		a := make(chan int)
		b := make(chan int)
		words := make(chan string, 2)
		peer := func(out, in chan int) {
			select {
			case out <- 1:
				words <- "sent"
			case <-in:
				words <- "received"
			}
		}
		for i := 0; i < 5; i++ {
			go peer(a, b)
			go peer(b, a)
			one, two := <-words, <-words
			fmt.Println("one sent and one received:", one != two)
		}
	}
}
