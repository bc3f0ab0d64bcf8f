#include "core/pickle.h"

#include <bit>
#include <unordered_map>

#include "core/utf8.h"

namespace limn {
namespace {

using Kind = PickleNode::Kind;
using Index = std::uint32_t;

constexpr std::size_t kMost = 2'000'000;  // values, remembered values, copied items: beyond any checkpoint's need
constexpr Index kMark = 0xFFFFFFFF;       // on the stack, where MARK was
constexpr std::size_t kLongestName = 200;

/// A pickle is a program for a stack machine; this one has a stack and a memo of node indices and no way out.
class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::string& where, bool (*admit)(std::string_view))
      : bytes_(bytes), where_(where), admit_(admit) {}

  Pickle read() {
    if (bytes_.size() < 2 || bytes_[0] != '\x80') fail("got no protocol mark, expected a pickle of protocol 2 to 5");
    while (step()) {
    }
    if (stack_.size() != 1) fail("got " + std::to_string(stack_.size()) + " values at the end, expected 1");
    pickle_.root = pop();
    pickle_.length = at_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(where_ + ": pickle, byte " + std::to_string(op_at_) + ": " + what);
  }

  // --- bytes -------------------------------------------------------------------------------------------------------

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("the file ends within the pickle; is it truncated?");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const std::string_view digits = take(width);
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    return value;
  }

  std::string_view line() {
    const std::size_t end = bytes_.substr(at_, kLongestName).find('\n');
    if (end == std::string_view::npos) fail("got a name without an end, expected at most 200 bytes");
    const std::string_view text = take(end + 1);
    return text.substr(0, end);
  }

  /// A small hostile file must not grow into a large structure.
  void bound(std::size_t count) const {
    if (count >= kMost) fail("holds more than " + std::to_string(kMost) + " values");
  }

  // --- nodes and stack ---------------------------------------------------------------------------------------------

  void push(PickleNode node) {
    bound(pickle_.nodes.size());
    stack_.push_back(static_cast<Index>(pickle_.nodes.size()));
    pickle_.nodes.push_back(std::move(node));
  }

  Index pop() {
    if (stack_.empty() || stack_.back() == kMark) fail("takes a value from an empty stack");
    const Index top = stack_.back();
    stack_.pop_back();
    return top;
  }

  Index top() const {
    if (stack_.empty() || stack_.back() == kMark) fail("looks at an empty stack");
    return stack_.back();
  }

  std::vector<Index> pop_to_mark() {
    if (marks_.empty()) fail("looks for a mark that is not there");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Index> items(first + 1, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_mark() {
    marks_.push_back(stack_.size());
    stack_.push_back(kMark);
  }

  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }

  void push_text(Kind kind, std::string_view text) { push({.kind = kind, .text = text}); }

  void push_tuple(std::size_t count) {
    std::vector<Index> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push({.kind = Kind::tuple, .items = std::move(items)});
  }

  void push_long(std::string_view digits) {
    if (digits.size() > 8) return push_text(Kind::big, digits);
    std::uint64_t value = 0;
    for (std::size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    if (!digits.empty() && digits.size() < 8 && (digits.back() & 0x80))
      value |= ~std::uint64_t{0} << (8 * digits.size());
    push_integer(static_cast<std::int64_t>(value));
  }

  void remember(std::uint64_t slot) {
    bound(memo_.size());
    memo_[slot] = top();
  }

  void recall(std::uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) fail("recalls value " + std::to_string(slot) + ", which was never remembered");
    stack_.push_back(found->second);
  }

  PickleNode& container(Index index, Kind kind, const char* what) {
    PickleNode& node = pickle_.nodes[index];
    if (node.kind != kind) fail(std::string("fills something that is not a ") + what);
    return node;
  }

  void extend(Kind kind, const char* what, const std::vector<Index>& items) {
    PickleNode& node = container(top(), kind, what);
    if (kind == Kind::dict && items.size() % 2 != 0) fail("got a key without a value");
    node.items.insert(node.items.end(), items.begin(), items.end());
  }

  // --- globals and calls -------------------------------------------------------------------------------------------

  void push_global(std::string_view module, std::string_view name) {
    std::string full = std::string(module) + "." + std::string(name);
    if (find_invalid_utf8(full) != std::string::npos || full.size() > 2 * kLongestName) full = "(unreadable name)";
    if (!admit_(full)) fail("\"" + full + "\" refused: only tensors are read");
    push_text(Kind::global, *pickle_.names.insert(std::move(full)).first);
  }

  /// OrderedDict() and OrderedDict([[key, value], ...]), as Python 2 wrote it, become dicts.
  PickleNode ordered_dict(const PickleNode& arguments) {
    PickleNode dict{.kind = Kind::dict};
    if (arguments.items.size() > 1) fail("got an OrderedDict of several arguments");
    if (arguments.items.empty()) return dict;
    const PickleNode& pairs = pickle_.nodes[arguments.items[0]];
    bound(copied_ += pairs.items.size());
    if (pairs.kind == Kind::dict) {
      dict.items = pairs.items;
      return dict;
    }
    if (pairs.kind != Kind::list) fail("got an OrderedDict of something else than pairs");
    for (const Index index : pairs.items) {
      const PickleNode& pair = pickle_.nodes[index];
      if ((pair.kind != Kind::list && pair.kind != Kind::tuple) || pair.items.size() != 2)
        fail("got an OrderedDict of something else than pairs");
      dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
    }
    return dict;
  }

  void reduce() {
    const Index arguments = pop(), function = pop();
    const PickleNode &callee = pickle_.nodes[function], &tuple = pickle_.nodes[arguments];
    if (callee.kind != Kind::global || tuple.kind != Kind::tuple) fail("calls something that is not a function");
    if (callee.text == "collections.OrderedDict") return push(ordered_dict(tuple));
    push({.kind = Kind::call, .text = callee.text, .items = {arguments}});
  }

  /// Sets an object's attributes. State dicts have some (`_metadata`); none matters to tensors.
  void build() {
    pop();
    container(top(), Kind::dict, "dict");
  }

  /// Runs one opcode; false at STOP. Opcodes that plain data does not need (instances, extensions, out-of-band
  /// buffers, the text opcodes of protocol 0) are refused.
  bool step() {
    op_at_ = at_;
    const char op = take(1)[0];
    switch (static_cast<unsigned char>(op)) {
      case 0x80: {  // PROTO
        const std::uint64_t protocol = number(1);
        if (protocol < 2 || protocol > 5) fail("got protocol " + std::to_string(protocol) + ", expected 2 to 5");
        break;
      }
      case 0x95:
        number(8);
        break;  // FRAME: its length only helps readers that buffer
      case '.':
        return false;
      case '(':
        push_mark();
        break;
      case '0':
        if (!stack_.empty() && stack_.back() == kMark) {
          pop_to_mark();
        } else {
          pop();
        }
        break;
      case '1':
        pop_to_mark();
        break;
      case '2':
        stack_.push_back(top());
        break;
      case 'N':
        push({});
        break;
      case 0x88:
        push({.kind = Kind::boolean, .integer = 1});
        break;
      case 0x89:
        push({.kind = Kind::boolean, .integer = 0});
        break;
      case 'J':
        push_integer(static_cast<std::int32_t>(number(4)));
        break;
      case 'K':
        push_integer(static_cast<std::int64_t>(number(1)));
        break;
      case 'M':
        push_integer(static_cast<std::int64_t>(number(2)));
        break;
      case 0x8A:
        push_long(take(number(1)));
        break;  // LONG1
      case 0x8B:
        push_long(take(number(4)));
        break;     // LONG4
      case 'G': {  // BINFLOAT, big-endian
        std::uint64_t bits = 0;
        for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
        push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
        break;
      }
      case 0x8C:
        push_text(Kind::text, take(number(1)));
        break;  // SHORT_BINUNICODE
      case 'X':
        push_text(Kind::text, take(number(4)));
        break;  // BINUNICODE
      case 0x8D:
        push_text(Kind::text, take(number(8)));
        break;  // BINUNICODE8
      case 'U':
        push_text(Kind::text, take(number(1)));
        break;  // SHORT_BINSTRING: a str of Python 2
      case 'T':
        push_text(Kind::text, take(number(4)));
        break;  // BINSTRING
      case 'C':
        push_text(Kind::bytes, take(number(1)));
        break;  // SHORT_BINBYTES
      case 'B':
        push_text(Kind::bytes, take(number(4)));
        break;    // BINBYTES
      case 0x8E:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        push_text(Kind::bytes, take(number(8)));
        break;
      default:
        return step_structure(op);
    }
    return true;
  }

  bool step_structure(char op) {
    switch (static_cast<unsigned char>(op)) {
      case ')':
        push_tuple(0);
        break;
      case 0x85:
        push_tuple(1);
        break;
      case 0x86:
        push_tuple(2);
        break;
      case 0x87:
        push_tuple(3);
        break;
      case 't':
        push({.kind = Kind::tuple, .items = pop_to_mark()});
        break;
      case ']':
        push({.kind = Kind::list});
        break;
      case 'l':
        push({.kind = Kind::list, .items = pop_to_mark()});
        break;
      case '}':
        push({.kind = Kind::dict});
        break;
      case 'a': {
        const Index item = pop();
        extend(Kind::list, "list", {item});
        break;
      }
      case 'e':
        extend(Kind::list, "list", pop_to_mark());
        break;
      case 's': {
        const Index value = pop(), key = pop();
        extend(Kind::dict, "dict", {key, value});
        break;
      }
      case 'u':
        extend(Kind::dict, "dict", pop_to_mark());
        break;
      case 'q':
        remember(number(1));
        break;
      case 'r':
        remember(number(4));
        break;
      case 0x94:
        remember(memo_.size());
        break;  // MEMOIZE
      case 'h':
        recall(number(1));
        break;
      case 'j':
        recall(number(4));
        break;
      case 'c': {  // GLOBAL
        const std::string_view module = line(), name = line();
        push_global(module, name);
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleNode &name = pickle_.nodes[pop()], &module = pickle_.nodes[pop()];
        if (name.kind != Kind::text || module.kind != Kind::text) fail("got a global whose name is not a text");
        push_global(module.text, name.text);
        break;
      }
      case 'R':
        reduce();
        break;
      case 'b':
        build();
        break;
      case 'Q':
        push({.kind = Kind::persistent, .items = {pop()}});
        break;
      default:
        refuse(op);
    }
    return true;
  }

  [[noreturn]] void refuse(char op) const {
    constexpr char hex[] = "0123456789abcdef";
    fail(std::string("opcode 0x") + hex[op >> 4 & 15] + hex[op & 15] + " refused: only tensors are read");
  }

  std::string_view bytes_;
  const std::string& where_;
  bool (*admit_)(std::string_view);
  std::size_t at_ = 0, op_at_ = 0;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;
  std::size_t copied_ = 0;
  std::unordered_map<std::uint64_t, Index> memo_;
  Pickle pickle_;
};

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& where, bool (*admit)(std::string_view name)) {
  return Unpickler(bytes, where, admit).read();
}

}  // namespace limn
