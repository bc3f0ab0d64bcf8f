#include "core/torch_tensors.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/ops.h"
#include "core/utf8.h"

namespace limn {
namespace {

using Kind = PickleNode::Kind;

struct Dtype {
  std::string_view name;     ///< of the dtype object, in torch
  std::string_view storage;  ///< of its typed storage, in torch; empty where there is none
  at::ScalarType dtype;
};

constexpr std::array kDtypes = {
    Dtype{"float32", "FloatStorage", at::kFloat},
    Dtype{"float64", "DoubleStorage", at::kDouble},
    Dtype{"float16", "HalfStorage", at::kHalf},
    Dtype{"bfloat16", "BFloat16Storage", at::kBFloat16},
    Dtype{"int64", "LongStorage", at::kLong},
    Dtype{"int32", "IntStorage", at::kInt},
    Dtype{"int16", "ShortStorage", at::kShort},
    Dtype{"int8", "CharStorage", at::kChar},
    Dtype{"uint8", "ByteStorage", at::kByte},
    Dtype{"bool", "BoolStorage", at::kBool},
    Dtype{"complex64", "ComplexFloatStorage", at::kComplexFloat},
    Dtype{"complex128", "ComplexDoubleStorage", at::kComplexDouble},
    Dtype{"uint16", "", at::kUInt16},
    Dtype{"uint32", "", at::kUInt32},
    Dtype{"uint64", "", at::kUInt64},
    Dtype{"float8_e4m3fn", "", at::kFloat8_e4m3fn},
    Dtype{"float8_e4m3fnuz", "", at::kFloat8_e4m3fnuz},
    Dtype{"float8_e5m2", "", at::kFloat8_e5m2},
    Dtype{"float8_e5m2fnuz", "", at::kFloat8_e5m2fnuz},
    Dtype{"float8_e8m0fnu", "", at::kFloat8_e8m0fnu},
};

constexpr std::string_view kRebuild = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuild2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuild3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kParameterState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kFromType = "torch._tensor._rebuild_from_type_v2";
constexpr std::string_view kSize = "torch.Size";

/// What checkpoints hold beside tensors, and what is left out of the result.
constexpr std::array<std::string_view, 6> kHarmless = {
    "collections.OrderedDict",      "collections.Counter", "torch.Tensor",
    "torch.nn.parameter.Parameter", "torch.device",        "_codecs.encode"};

/// Under which names training scripts put the state dict.
constexpr std::array<std::string_view, 14> kWrappers = {
    "state_dict", "model", "model_state_dict", "model_state", "module",    "net",     "network",
    "params",     "ema",   "state_dict_ema",   "params_ema",  "model_ema", "weights", "g_ema"};

constexpr int kDeepest = 32;
constexpr std::size_t kLongestName = 2000;
constexpr std::size_t kMostVisits = 2'000'000;

/// "FloatStorage" of "torch.FloatStorage", "torch.cuda.FloatStorage", "torch.storage.UntypedStorage".
std::string_view storage_type(std::string_view global) {
  for (const std::string_view module : {"torch.storage.", "torch.cuda.", "torch."})
    if (global.starts_with(module)) return global.substr(module.size());
  return {};
}

std::optional<at::ScalarType> storage_dtype(std::string_view global) {
  const std::string_view type = storage_type(global);
  if (type.empty()) return std::nullopt;
  if (type == "UntypedStorage") return at::kByte;
  for (const Dtype& row : kDtypes)
    if (type == row.storage) return row.dtype;
  return std::nullopt;
}

std::optional<at::ScalarType> dtype_object(std::string_view global) {
  for (const Dtype& row : kDtypes)
    if (global.starts_with("torch.") && global.substr(6) == row.name) return row.dtype;
  return std::nullopt;
}

bool rebuilds_tensor(std::string_view function) {
  return function == kRebuild || function == kRebuild2 || function == kRebuild3 || function == kParameter ||
         function == kParameterState || function == kFromType;
}

/// A tensor as the pickle describes it: a strided window on a storage.
struct Window {
  StorageReference storage;
  at::ScalarType dtype;
  std::int64_t offset = 0;  ///< elements of dtype
  std::vector<std::int64_t> shape, strides;
};

class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const std::filesystem::path& file, const FindStorage& find)
      : pickle_(pickle), file_(file), where_(file.string()), find_(find) {}

  TensorTable read() {
    const PickleNode& root = pickle_[pickle_.root];
    if (is_tensor(root)) {
      add("tensor", root);
    } else {
      collect(unwrapped(root), "", 0);
    }
    if (table_.empty()) throw CheckpointError(where_ + ": holds no tensors");
    return std::move(table_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(where_ + ": " + (name_.empty() ? "" : "tensor \"" + name_ + "\": ") + what);
  }

  static bool is_tensor(const PickleNode& node) { return node.kind == Kind::call && rebuilds_tensor(node.text); }

  /// A pickle can refer to one list from many places, so that walking it all would take forever.
  void visit() {
    if (++visits_ > kMostVisits) fail("holds more than " + std::to_string(kMostVisits) + " values");
  }

  bool holds_tensors(const PickleNode& node) {
    if (node.kind != Kind::dict) return false;
    for (std::size_t i = 1; i < node.items.size(); i += 2) {
      visit();
      if (is_tensor(pickle_[node.items[i]])) return true;
    }
    return false;
  }

  /// The one dict of tensors that a training script wrapped, or the node itself. Bare tensors beside it (random
  /// states, best scores) belong to the training, as do the optimiser's, which lie deeper.
  const PickleNode& unwrapped(const PickleNode& node) {
    if (node.kind != Kind::dict) return node;
    const PickleNode* only = nullptr;
    for (std::size_t i = 0; i < node.items.size(); i += 2) {
      const PickleNode &key = pickle_[node.items[i]], &value = pickle_[node.items[i + 1]];
      if (!holds_tensors(value)) continue;
      const bool usual = key.kind == Kind::text && std::ranges::find(kWrappers, key.text) != kWrappers.end();
      if (only || !usual) return node;
      only = &value;
    }
    return only ? *only : node;
  }

  void collect(const PickleNode& node, const std::string& prefix, int depth) {
    visit();
    if (prefix.size() > kLongestName) fail("got a name of more than " + std::to_string(kLongestName) + " bytes");
    if (is_tensor(node)) return add(prefix, node);
    if (node.kind == Kind::persistent) fail("\"" + prefix + "\" is a bare storage, expected a tensor");
    if (node.kind != Kind::dict && node.kind != Kind::list && node.kind != Kind::tuple) return;
    if (depth == kDeepest) fail("nested deeper than " + std::to_string(kDeepest) + " levels");
    const std::string stem = prefix.empty() ? prefix : prefix + ".";
    if (node.kind == Kind::dict) {
      for (std::size_t i = 0; i < node.items.size(); i += 2)
        collect(pickle_[node.items[i + 1]], stem + key_text(pickle_[node.items[i]]), depth + 1);
    } else {
      for (std::size_t i = 0; i < node.items.size(); ++i)
        collect(pickle_[node.items[i]], stem + std::to_string(i), depth + 1);
    }
  }

  std::string key_text(const PickleNode& key) const {
    if (key.kind == Kind::integer) return std::to_string(key.integer);
    if (key.kind == Kind::text && find_invalid_utf8(key.text) == std::string_view::npos) return std::string(key.text);
    return "(key)";  // such a member may still hold no tensor, and then does not matter
  }

  void add(const std::string& name, const PickleNode& node) {
    name_ = name;
    const Window window = window_of(node, 0);
    const std::int64_t last = last_element(window);
    const auto item = static_cast<std::int64_t>(c10::elementSize(window.dtype));
    const std::function<OwnedBytes()> bytes = find_(window.storage);
    const std::int64_t part = window.storage.offset * static_cast<std::int64_t>(c10::elementSize(window.storage.dtype));
    const bool empty = last < window.offset;  // its offset may lie anywhere, and multiplied overflow
    const auto begin = empty ? 0 : static_cast<std::size_t>(part + window.offset * item);
    const auto size = empty ? 0 : static_cast<std::size_t>((last + 1 - window.offset) * item);
    const auto load = [bytes, begin, size, dtype = window.dtype, shape = window.shape, strides = window.strides] {
      if (size == 0) return at::empty(shape, dtype);
      const OwnedBytes storage = bytes();
      const auto count = static_cast<std::int64_t>(size / c10::elementSize(dtype));
      const Tensor flat = tensor_over(storage.view.substr(begin, size), count, dtype, storage.owner);
      return flat.as_strided(shape, strides);
    };
    if (!table_.emplace(name, StoredTensor{window.shape, window.dtype, load, file_}).second) fail("occurs twice");
    name_.clear();
  }

  /// The index of the last element that the window reaches, checked to lie in the storage; offset - 1 when it is empty.
  std::int64_t last_element(const Window& window) const {
    const auto& [storage, dtype, offset, shape, strides] = window;
    if (byte_count(shape, static_cast<std::int64_t>(c10::elementSize(dtype))) < 0)
      fail("shape " + shape_text(shape) + ": its product overflows");
    const std::int64_t available = storage.count * static_cast<std::int64_t>(c10::elementSize(storage.dtype)) /
                                   static_cast<std::int64_t>(c10::elementSize(dtype));
    bool overflow = false, empty = false;
    std::int64_t last = offset;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      std::int64_t reach = 0;
      overflow = overflow || __builtin_mul_overflow(std::max(shape[i], std::int64_t{1}) - 1, strides[i], &reach) ||
                 __builtin_add_overflow(last, reach, &last);
      empty = empty || shape[i] == 0;
    }
    if (empty) return offset - 1;
    if (overflow || last >= available)
      fail("shape " + shape_text(shape) + ", strides " + shape_text(strides) + ", offset " + std::to_string(offset) +
           ": reaches beyond its storage of " + std::to_string(available) + " elements");
    return last;
  }

  const PickleNode& argument(const PickleNode& call, std::size_t index) const {
    const PickleNode& arguments = pickle_[call.items[0]];
    if (index >= arguments.items.size())
      fail(std::string(call.text) + ": got " + std::to_string(arguments.items.size()) + " arguments, expected more");
    return pickle_[arguments.items[index]];
  }

  Window window_of(const PickleNode& call, int depth) const {
    if (depth == 4) fail("is wrapped more than 4 times");
    if (call.kind != Kind::call || !rebuilds_tensor(call.text)) fail("is a wrapper of something else than a tensor");
    if (call.text == kParameter || call.text == kParameterState) return window_of(argument(call, 0), depth + 1);
    if (call.text != kFromType) return plain_window(call.text, pickle_[call.items[0]]);
    const PickleNode &function = argument(call, 0), &type = argument(call, 1), &arguments = argument(call, 2);
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) fail("got an unreadable tensor subclass");
    if (type.text != "torch.Tensor" && type.text != "torch.nn.parameter.Parameter")
      fail("got a tensor subclass, expected a plain tensor");
    if (function.text != kRebuild && function.text != kRebuild2 && function.text != kRebuild3)
      fail("got an unreadable tensor subclass");
    return plain_window(function.text, arguments);
  }

  Window plain_window(std::string_view function, const PickleNode& arguments) const {
    const std::size_t needed = function == kRebuild ? 4 : function == kRebuild2 ? 6 : 7;
    if (arguments.items.size() < needed || arguments.items.size() > needed + 1)
      fail(std::string(function) + ": got " + std::to_string(arguments.items.size()) + " arguments, expected " +
           std::to_string(needed));
    const auto item = [&](std::size_t i) -> const PickleNode& { return pickle_[arguments.items[i]]; };
    Window window{storage_reference(pickle_, item(0), where_), at::kByte, 0, sizes(item(2)), sizes(item(3))};
    window.dtype = window.storage.dtype;
    if (function == kRebuild3) {
      const auto dtype = item(6).kind == Kind::global ? dtype_object(item(6).text) : std::nullopt;
      if (!dtype) fail("dtype: got something that is not one");
      window.dtype = *dtype;
    }
    if (item(1).kind != Kind::integer || item(1).integer < 0) fail("storage offset: expected a non-negative integer");
    window.offset = item(1).integer;
    if (window.shape.size() != window.strides.size())
      fail("got " + std::to_string(window.strides.size()) + " strides for shape " + shape_text(window.shape));
    if (arguments.items.size() > needed) refuse_metadata(item(needed));
    return window;
  }

  /// torch marks lazily conjugated and negated tensors here: their bytes are not their values.
  void refuse_metadata(const PickleNode& metadata) const {
    if (metadata.kind == Kind::none || (metadata.kind == Kind::dict && metadata.items.empty())) return;
    fail("is lazily conjugated or negated; save it after resolve_conj() and resolve_neg()");
  }

  std::vector<std::int64_t> sizes(const PickleNode& node) const {
    const bool wrapped = node.kind == Kind::call && node.text == kSize;
    const PickleNode& tuple = wrapped ? argument(node, 0) : node;
    if ((tuple.kind != Kind::tuple && tuple.kind != Kind::list) || tuple.items.size() > 64)
      fail("sizes or strides: expected a tuple of at most 64 integers");
    std::vector<std::int64_t> values;
    for (const std::uint32_t index : tuple.items) {
      const PickleNode& value = pickle_[index];
      if (value.kind != Kind::integer || value.integer < 0) fail("sizes or strides: expected non-negative integers");
      values.push_back(value.integer);
    }
    return values;
  }

  const Pickle& pickle_;
  const std::filesystem::path& file_;
  const std::string where_;
  const FindStorage& find_;
  std::string name_;  // of the tensor at hand, for messages
  std::size_t visits_ = 0;
  TensorTable table_;
};

}  // namespace

bool admitted_in_checkpoint(std::string_view name) {
  return storage_dtype(name) || dtype_object(name) || rebuilds_tensor(name) || name == kSize ||
         std::ranges::find(kHarmless, name) != kHarmless.end();
}

StorageReference storage_reference(const Pickle& pickle, const PickleNode& persistent, const std::string& where) {
  const auto fail = [&](const char* what) {
    throw CheckpointError(where + ": pickle: a storage's reference: " + what);
  };
  if (persistent.kind != Kind::persistent) fail("is missing");
  const PickleNode& tuple = pickle[persistent.items[0]];
  if (tuple.kind != Kind::tuple || tuple.items.size() < 5 || tuple.items.size() > 6) fail("expected 5 or 6 fields");
  const auto item = [&](std::size_t i) -> const PickleNode& { return pickle[tuple.items[i]]; };
  if (item(0).kind != Kind::text || item(0).text != "storage") fail("expected the word \"storage\" first");
  const auto dtype = item(1).kind == Kind::global ? storage_dtype(item(1).text) : std::nullopt;
  if (!dtype) fail("expected a storage type");
  if (item(2).kind != Kind::text) fail("expected a key that is a text");
  constexpr std::int64_t most = std::int64_t{1} << 56;  // so that bytes and sums of two do not overflow
  const auto count = [&](const PickleNode& node) {
    if (node.kind != Kind::integer || node.integer < 0 || node.integer > most) fail("expected a number of elements");
    return node.integer;
  };
  StorageReference reference{std::string(item(2).text), *dtype, count(item(4)), 0, count(item(4))};
  if (tuple.items.size() < 6 || item(5).kind == Kind::none) return reference;
  const PickleNode& view = item(5);
  if (view.kind != Kind::tuple || view.items.size() != 3) fail("expected a view of three fields");
  reference.offset = count(pickle[view.items[1]]);
  reference.count = count(pickle[view.items[2]]);
  if (reference.offset + reference.count > reference.numel) fail("its view reaches beyond it");
  return reference;
}

TensorTable tensors_in(const Pickle& pickle, const std::filesystem::path& file, const FindStorage& find) {
  return TensorReader(pickle, file, find).read();
}

}  // namespace limn
