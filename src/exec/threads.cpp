#include "threads.h"

#include <omp.h>

namespace qtool::exec {

ThreadScope::ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
ThreadScope::~ThreadScope() { omp_set_num_threads(before_); }

int intra_threads() { return omp_get_max_threads(); }

void intra_for(int64_t parts, const std::function<void(int64_t part, int thread)>& fn) {
  if (parts == 1 || intra_threads() == 1) {
    for (int64_t part = 0; part < parts; ++part) fn(part, 0);
    return;
  }
#pragma omp parallel for schedule(dynamic)
  for (int64_t part = 0; part < parts; ++part) fn(part, omp_get_thread_num());
}

}  // namespace qtool::exec
