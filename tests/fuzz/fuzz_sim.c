/* The core in the simulator's world (tests/sim), whose choices are bytes: what clients and workers
 * say, with all their commands, what the network loses, when who crashes, how time goes. The oracle
 * is the simulator's: everything that becomes durable, every frame that leaves, the core counted
 * again; in the end all that was accepted has come to its end. fuzz_core is beside it for what no
 * honest peer says. */
#include "tests/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sim_figures sum = {0};
    if (size > 0)
        sim_run(1, &(sim_options){.choices = data, .choice_bytes = size}, &sum);
    return 0;
}
