#include "qtool/report/render_html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "example_document.h"
#include "qtool/report/data_uri.h"
#include "qtool/support/error.h"

namespace qtool::report {
namespace {

using ::qtool::testing::example_document;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

Json smallest() { return {{"schema", 1}, {"kind", "quantize"}, {"title", "m"}, {"tool", {{"name", "qtool"}, {"version", "1"}}}}; }

std::string message_of(const Json& document) {
  try {
    (void)render_html(document);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The JSON between the tags of the document element.
std::string embedded_document(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"document\">";
  const size_t first = page.find(open) + open.size();
  return page.substr(first, page.find("</script>", first) - first);
}

TEST(RenderHtml, NamesFromTheModelNeverStandInThePageAsMarkup) {
  const std::string page = render_html(example_document());
  EXPECT_THAT(page, Not(HasSubstr(::qtool::testing::kHostileName)));
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(embedded_document(page), Not(HasSubstr("<")));
}

TEST(RenderHtml, TheDocumentComesBackFromThePageUnchanged) {
  EXPECT_EQ(Json::parse(embedded_document(render_html(example_document()))), example_document());
}

TEST(RenderHtml, ThePageNeedsNothingElse) {
  const std::string page = render_html(example_document());
  for (const char* reference : {"<script src", "<link", "@import", "url("}) EXPECT_THAT(page, Not(HasSubstr(reference))) << reference;
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

TEST(RenderHtml, CarriesTheLibraryWithItsLicenceOrNeither) {
  const std::string page = render_html(smallest());
  EXPECT_EQ(page.find("Permission is hereby granted") != std::string::npos, has_charts());
  EXPECT_EQ(page.find("www.chartjs.org") != std::string::npos, has_charts());
}

TEST(RenderHtml, InvalidUtf8IsReplaced) {
  Json document = smallest();
  document["title"] = "broken \xff name";
  EXPECT_THAT(embedded_document(render_html(document)), HasSubstr("broken \\ufffd name"));
}

TEST(RenderHtml, EqualDocumentsGiveEqualBytes) { EXPECT_EQ(render_html(example_document()), render_html(example_document())); }

TEST(RenderHtml, ADocumentOutsideTheSchemaIsRefusedWithItsPlace) {
  Json document = smallest();
  document["kind"] = "novel";
  EXPECT_THAT(message_of(document), HasSubstr("/kind is \"novel\", not one of"));
  document = smallest();
  document["tensors"] = {{{"name", "x"}, {"kind", "weight"}, {"bits", "eight"}}};
  EXPECT_THAT(message_of(document), HasSubstr("/tensors/0/bits is string"));
  document = smallest();
  document["extra"] = 1;
  EXPECT_THAT(message_of(document), HasSubstr("may not have 'extra'"));
  document = smallest();
  document["equalization"] = {{{"name", "w"}, {"before", {{"min", Json::array()}}}, {"after", 1}}};
  EXPECT_THAT(message_of(document), HasSubstr("/equalization/0/after is number"));
  document = smallest();
  document.erase("title");
  EXPECT_THAT(message_of(document), HasSubstr("/ has no 'title'"));
}

TEST(DataUri, IsBase64WithPadding) {  // the test vectors of RFC 4648 section 10
  const auto encode = [](const std::string& text) { return data_uri("text/plain", std::as_bytes(std::span(text))); };
  EXPECT_EQ(encode(""), "data:text/plain;base64,");
  EXPECT_EQ(encode("f"), "data:text/plain;base64,Zg==");
  EXPECT_EQ(encode("fo"), "data:text/plain;base64,Zm8=");
  EXPECT_EQ(encode("foo"), "data:text/plain;base64,Zm9v");
  EXPECT_EQ(encode("foobar"), "data:text/plain;base64,Zm9vYmFy");
}

}  // namespace
}  // namespace qtool::report
