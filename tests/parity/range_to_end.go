package main

import "fmt"

// A range ends with the channel.
func init() {
	programs["range_to_end"] = func() {
		ch := make(chan int)
		go func() {
			for i := 1; i <= 5; i++ {
				ch <- i
			}
			close(ch)
		}()
		sum := 0
		for v := range ch {
			fmt.Println("received", v)
			sum += v
		}
		fmt.Println("sum", sum)
	}
}
