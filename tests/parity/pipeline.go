package main

import "fmt"

// Three stages; the end goes through.
func init() {
	programs["pipeline"] = func() {
		numbers := make(chan int)
		squares := make(chan int)
		texts := make(chan int)
		go func() {
			for i := 1; i <= 6; i++ {
				numbers <- i
			}
			close(numbers)
		}()
		go func() {
			for v := range numbers {
				squares <- v * v
			}
			close(squares)
		}()
		go func() {
			for v := range squares {
				texts <- v + 1
			}
			close(texts)
		}()
		for v := range texts {
			fmt.Println(v)
		}
	}
}
