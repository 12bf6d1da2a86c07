#include "qtool/support/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace qtool {

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

void parallel_for(int64_t count, int threads, const std::function<void(int64_t, int)>& job) {
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::exception_ptr first_error;
  int64_t first_error_index = count;

  const auto work = [&](int worker) {
    while (!stop.load(std::memory_order_relaxed)) {
      const int64_t index = next.fetch_add(1);
      if (index >= count) return;
      try {
        job(index, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        stop = true;
        if (index < first_error_index) {
          first_error_index = index;
          first_error = std::current_exception();
        }
      }
    }
  };

  const int workers = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(count, 1)));
  if (workers == 1) {
    work(0);
  } else {
    std::vector<std::jthread> pool;
    pool.reserve(workers);
    for (int worker = 0; worker < workers; ++worker) pool.emplace_back(work, worker);
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace qtool
