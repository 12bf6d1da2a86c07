// Runs independent jobs on worker threads. Which worker takes which job is not fixed: results that must not
// depend on the thread count are written to slots by job index, or merged by order-independent reductions.
#pragma once

#include <cstdint>
#include <functional>

namespace qtool {

// Number of hardware threads that this process may use, at least 1.
[[nodiscard]] int available_threads();

// Calls job(index, worker) for every index in [0, count), worker in [0, threads). Blocks until all are done.
// The exception of the lowest failing index is rethrown, so that the message does not depend on timing.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t index, int worker)>& job);

}  // namespace qtool
