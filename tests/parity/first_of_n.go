package main

import (
	"fmt"
	"time"
)

// The first of three answers counts, the others are not waited for.
func init() {
	programs["first_of_n"] = func() {
		answers := make(chan int, 3)
		for i := 0; i < 3; i++ {
			go func(i int) {
				time.Sleep(time.Duration(1+3*i) * moment)
				answers <- i
			}(i)
		}
		fmt.Println("first", <-answers)
	}
}
