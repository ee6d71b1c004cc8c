package main

import "fmt"

// A token goes round.
func init() {
	programs["ring"] = func() {
		const size = 5
		ring := make([]chan int, size)
		for i := range ring {
			ring[i] = make(chan int)
		}
		result := make(chan int, 1)
		for i := range ring {
			go func(i int) {
				for token := range ring[i] {
					if token == 0 {
						result <- i
						continue
					}
					ring[(i+1)%size] <- token - 1
				}
			}(i)
		}
		ring[0] <- 23
		fmt.Println("ended at", <-result)
	}
}
