package main

import "fmt"

// A ball between two.
func init() {
	programs["ping_pong"] = func() {
		ping := make(chan int)
		pong := make(chan int)
		go func() {
			for v := range ping {
				pong <- v + 1
			}
			close(pong)
		}()
		ball := 0
		for i := 0; i < 10; i++ {
			ping <- ball
			ball = <-pong
		}
		close(ping)
		_, ok := <-pong
		fmt.Println("ball", ball, "ok:", ok)
	}
}
