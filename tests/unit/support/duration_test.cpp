#include "qtool/support/duration.h"

#include <gtest/gtest.h>

#include "qtool/support/error.h"

namespace qtool {
namespace {

TEST(Duration, ReadsWhatPeopleWrite) {
  EXPECT_DOUBLE_EQ(parse_duration("--t", "5m"), 300.0);
  EXPECT_DOUBLE_EQ(parse_duration("--t", "5min"), 300.0);
  EXPECT_DOUBLE_EQ(parse_duration("--t", "300s"), 300.0);
  EXPECT_DOUBLE_EQ(parse_duration("--t", "300"), 300.0);
  EXPECT_DOUBLE_EQ(parse_duration("--t", "1h30m"), 5400.0);
  EXPECT_DOUBLE_EQ(parse_duration("--t", "0.5m"), 30.0);
}

TEST(Duration, RefusesTheRest) {
  for (const char* text : {"", "m", "5x", "-5s", "5 m", "0s", "nan", "inf", "5mm"}) {
    EXPECT_THROW((void)parse_duration("--t", text), Error) << text;
  }
}

TEST(Duration, IsToldInUnitsOfItsSize) {
  EXPECT_EQ(duration_text(1.23), "1.2 s");
  EXPECT_EQ(duration_text(42.4), "42 s");
  EXPECT_EQ(duration_text(300.0), "5 min");
  EXPECT_EQ(duration_text(250.0), "4 min 10 s");
}

}  // namespace
}  // namespace qtool
