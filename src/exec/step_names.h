// Operator names of steps that the planner makes of several nodes.
#pragma once

#include <string_view>

namespace qtool::exec {

inline constexpr std::string_view kChannelsLastStep = "qtool.ChannelsLast";
inline constexpr std::string_view kBandedBlockStep = "qtool.BandedBlock";
inline constexpr std::string_view kOverlayStep = "qtool.Overlay";

}  // namespace qtool::exec
