// Places the buffers of a finished plan in one arena.
#pragma once

#include "plan.h"

namespace qtool::exec {

// By the steps between which each is alive; until the end where the plan keeps its values. Fills in the sizes of arena and
// scratch memory.
void pack_arena(Plan& plan);

}  // namespace qtool::exec
