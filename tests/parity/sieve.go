package main

import "fmt"

// The prime sieve: a chain of filters.
func init() {
	programs["sieve"] = func() {
		ch := make(chan int)
		go func(ch chan int) {
			for i := 2; ; i++ {
				ch <- i
			}
		}(ch)
		for i := 0; i < 8; i++ {
			prime := <-ch
			fmt.Println(prime)
			next := make(chan int)
			go func(in, out chan int) {
				for v := range in {
					if v%prime != 0 {
						out <- v
					}
				}
			}(ch, next)
			ch = next
		}
	}
}
