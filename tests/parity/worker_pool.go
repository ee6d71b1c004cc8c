package main

import "fmt"

// Jobs in, results out, three workers.
func init() {
	programs["worker_pool"] = func() {
		jobs := make(chan int, 5)
		results := make(chan int, 5)
		for w := 0; w < 3; w++ {
			go func() {
				for j := range jobs {
					results <- j * 2
				}
			}()
		}
		go func() {
			for j := 1; j <= 20; j++ {
				jobs <- j
			}
			close(jobs)
		}()
		sum := 0
		for j := 1; j <= 20; j++ {
			sum += <-results
		}
		fmt.Println("sum", sum)
	}
}
