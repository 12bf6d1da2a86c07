#include "flat_view.h"

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::container {
namespace {

constexpr size_t kIdentifierAt = 4;
constexpr size_t kHeaderSize = 8;  // root offset and identifier
constexpr size_t kVtableHeader = 4;
// Names are commonly stored once and used three times; nothing genuine comes near these.
constexpr uint64_t kBudgetFactor = 16;
constexpr uint64_t kBudgetBase = uint64_t{1} << 16;
constexpr uint64_t kTableCharge = 32;  // roughly what the objects made from a table cost

}  // namespace

FlatView::FlatView(std::span<const std::byte> bytes, std::string what)
    : bytes_(bytes), what_(std::move(what)), budget_(kBudgetFactor * bytes.size() + kBudgetBase) {
  require(0, kHeaderSize);
}

void FlatView::fail(const std::string& problem) const {
  throw Error(ErrorCode::kInvalidModel, problem).with("record", what_);
}

void FlatView::require(size_t at, uint64_t size) const {
  if (at > bytes_.size() || size > bytes_.size() - at) {
    fail(format("damaged record: {} bytes wanted at {}, it has {}", size, at, bytes_.size()));
  }
}

void FlatView::charge(uint64_t units) const {
  if (units > budget_) fail("damaged record: the same content is referred to over and over");
  budget_ -= units;
}

size_t FlatView::follow(size_t at) const {
  const size_t target = at + read<uint32_t>(at);
  require(target, 4);
  return target;
}

std::string FlatView::identifier() const {
  return {reinterpret_cast<const char*>(bytes_.data()) + kIdentifierAt, 4};
}

FlatTable FlatView::root() const { return {*this, follow(0)}; }

std::string FlatView::text_at(size_t at) const {
  const auto size = read<uint32_t>(at);
  require(at + 4, size);
  charge(size);
  return {reinterpret_cast<const char*>(bytes_.data()) + at + 4, size};
}

FlatTable::FlatTable(const FlatView& view, size_t at) : view_(&view), at_(at) {
  view.charge(kTableCharge);
  // The vtable lies at a signed distance before (usually) the table.
  const int64_t vtable_at = static_cast<int64_t>(at) - view.read<int32_t>(at);
  if (vtable_at < 0) view.fail("damaged record: the layout of a table lies before the record");
  vtable_at_ = static_cast<size_t>(vtable_at);
  vtable_size_ = view.read<uint16_t>(vtable_at_);
  table_size_ = view.read<uint16_t>(vtable_at_ + 2);
  if (vtable_size_ < kVtableHeader) view.fail(format("damaged record: a table layout of {} bytes", vtable_size_));
  view.require(vtable_at_, vtable_size_);
  view.require(at_, table_size_);
}

std::optional<size_t> FlatTable::field_at(uint16_t slot, size_t size) const {
  const size_t entry = kVtableHeader + size_t{2} * slot;
  if (entry + 2 > vtable_size_) return std::nullopt;
  const auto offset = view_->read<uint16_t>(vtable_at_ + entry);
  if (offset == 0) return std::nullopt;
  if (offset + size > table_size_) view_->fail(format("damaged record: field {} leaves its table", slot));
  return at_ + offset;
}

std::optional<size_t> FlatTable::target_of(uint16_t slot) const {
  const auto at = field_at(slot, sizeof(uint32_t));
  if (!at) return std::nullopt;
  return view_->follow(*at);
}

FlatTable::Range FlatTable::vector_at(uint16_t slot, size_t element_size) const {
  const auto at = target_of(slot);
  if (!at) return {0, 0};
  const auto count = view_->read<uint32_t>(*at);
  view_->require(*at + 4, uint64_t{count} * element_size);
  return {*at + 4, count};
}

std::string FlatTable::text(uint16_t slot) const {
  const auto at = target_of(slot);
  return at ? view_->text_at(*at) : std::string();
}

std::optional<FlatTable> FlatTable::table(uint16_t slot) const {
  const auto at = target_of(slot);
  if (!at) return std::nullopt;
  return FlatTable(*view_, *at);
}

std::vector<FlatTable> FlatTable::tables(uint16_t slot) const {
  const Range range = vector_at(slot, sizeof(uint32_t));
  std::vector<FlatTable> result;
  result.reserve(range.count);
  for (size_t i = 0; i < range.count; ++i) result.push_back(FlatTable(*view_, view_->follow(range.at + 4 * i)));
  return result;
}

std::vector<std::string> FlatTable::texts(uint16_t slot) const {
  const Range range = vector_at(slot, sizeof(uint32_t));
  view_->charge(range.count * sizeof(std::string));
  std::vector<std::string> result;
  result.reserve(range.count);
  for (size_t i = 0; i < range.count; ++i) result.push_back(view_->text_at(view_->follow(range.at + 4 * i)));
  return result;
}

std::span<const std::byte> FlatTable::bytes(uint16_t slot) const {
  const Range range = vector_at(slot, 1);
  return view_->bytes_.subspan(range.at, range.count);
}

std::span<const std::byte> FlatTable::wide_bytes(uint16_t slot) const {
  const auto at = field_at(slot, sizeof(uint64_t));
  if (!at) return {};
  const auto distance = view_->read<uint64_t>(*at);
  if (distance > view_->bytes_.size()) view_->fail(format("damaged record: a 64-bit offset of {}", distance));
  const size_t target = *at + distance;
  const auto size = view_->read<uint64_t>(target);
  view_->require(target + sizeof(uint64_t), size);
  return view_->bytes_.subspan(target + sizeof(uint64_t), size);
}

}  // namespace qtool::container
