// oneDNN of the distribution runs on OpenMP: this sets the OpenMP thread count of the calling thread for a scope, and our
// own kernels share it.
#pragma once

#include <cstdint>
#include <functional>

namespace qtool::exec {

class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  ~ThreadScope();

 private:
  int before_;
};

// Threads inside one operator, as set by the scope around the call.
[[nodiscard]] int intra_threads();

// Calls fn(part, thread) once for each part in [0, parts), thread in [0, intra_threads()).
void intra_for(int64_t parts, const std::function<void(int64_t part, int thread)>& fn);

}  // namespace qtool::exec
