package main

import (
	"fmt"
	"sync"
)

// Three producers into one channel.
func init() {
	programs["fan_in"] = func() {
		ch := make(chan int)
		var wg sync.WaitGroup
		for p := 1; p <= 3; p++ {
			wg.Add(1)
			go func(p int) {
				for i := 0; i < 5; i++ {
					ch <- 10*p + i
				}
				wg.Done()
			}(p)
		}
		go func() {
			wg.Wait()
			close(ch)
		}()
		sum, count := 0, 0
		last := map[int]int{1: -1, 2: -1, 3: -1}
		ordered := true
		for v := range ch {
			ordered = ordered && v%10 == last[v/10]+1
			last[v/10] = v % 10
			sum += v
			count++
		}
		fmt.Println("count", count, "sum", sum)
		fmt.Println("each producer's are in order:", ordered)
	}
}
