#include "core/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <set>

#include "core/ops.h"
#include "core/safetensors_header.h"
#include "core/utf8.h"

namespace limn {
namespace {

constexpr std::int64_t kLongestHeader = 100'000'000;  // the safetensors library's own limit

struct DtypeName {
  const char* name;
  at::ScalarType dtype;
};

// In the order of the safetensors library's enumeration, which decides the layout of written files.
constexpr std::array kDtypes = {DtypeName{"BOOL", at::kBool},
                                DtypeName{"U8", at::kByte},
                                DtypeName{"I8", at::kChar},
                                DtypeName{"F8_E5M2", at::kFloat8_e5m2},
                                DtypeName{"F8_E4M3", at::kFloat8_e4m3fn},
                                DtypeName{"F8_E8M0", at::kFloat8_e8m0fnu},
                                DtypeName{"I16", at::kShort},
                                DtypeName{"U16", at::kUInt16},
                                DtypeName{"F16", at::kHalf},
                                DtypeName{"BF16", at::kBFloat16},
                                DtypeName{"I32", at::kInt},
                                DtypeName{"U32", at::kUInt32},
                                DtypeName{"F32", at::kFloat},
                                DtypeName{"C64", at::kComplexFloat},
                                DtypeName{"F64", at::kDouble},
                                DtypeName{"I64", at::kLong},
                                DtypeName{"U64", at::kUInt64}};

const DtypeName* dtype_named(std::string_view name) {
  for (const DtypeName& row : kDtypes)
    if (name == row.name) return &row;
  return nullptr;
}

const DtypeName* dtype_row(at::ScalarType dtype) {
  for (const DtypeName& row : kDtypes)
    if (dtype == row.dtype) return &row;
  return nullptr;
}

std::string dtype_names() {
  std::string names;
  for (const DtypeName& row : kDtypes) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

struct OpenedFile {
  SafetensorsHeader header;
  std::string_view data;
};

OpenedFile open_safetensors(const MappedFile& file) {
  const std::string where = file.path().string();
  const std::string_view bytes = file.bytes();
  if (bytes.size() < 8)
    throw CheckpointError(where + ": got " + std::to_string(bytes.size()) +
                          " bytes, expected a safetensors file, which begins with an 8-byte header length");
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  if (length > kLongestHeader)
    throw CheckpointError(where + ": header length: got " + std::to_string(length) + ", expected at most " +
                          std::to_string(kLongestHeader) + "; is this a safetensors file?");
  if (length > bytes.size() - 8)
    throw CheckpointError(where + ": header length: got " + std::to_string(length) + ", expected at most " +
                          std::to_string(bytes.size() - 8) + " (the rest of the file); is the file truncated?");
  return {parse_safetensors_header(bytes.substr(8, length), where), bytes.substr(8 + length)};
}

std::string range_text(const HeaderEntry& entry) {
  return "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]";
}

at::ScalarType check_entry(const HeaderEntry& entry, const std::string& where, std::int64_t available) {
  const std::string at = where + ": tensor \"" + entry.name + "\": ";
  const DtypeName* dtype = dtype_named(entry.dtype);
  if (!dtype) throw CheckpointError(at + "dtype: got " + entry.dtype + ", expected one of: " + dtype_names());
  const std::int64_t size = byte_count(entry.shape, static_cast<std::int64_t>(c10::elementSize(dtype->dtype)));
  if (size < 0) throw CheckpointError(at + "shape " + shape_text(entry.shape) + ": its product overflows");
  if (entry.end < entry.begin || entry.end - entry.begin != size)
    throw CheckpointError(at + "data_offsets: got " + range_text(entry) + ", expected " + std::to_string(size) +
                          " bytes for " + entry.dtype + " " + shape_text(entry.shape));
  if (entry.end > available)
    throw CheckpointError(at + "data_offsets: got " + range_text(entry) + ", expected an end within the file's " +
                          std::to_string(available) + " bytes of data; is the file truncated?");
  return dtype->dtype;
}

/// The tensors' bytes must fill the data part: no overlap, no hole, no rest.
void check_layout(const std::vector<HeaderEntry>& entries, const std::string& where, std::int64_t available) {
  std::vector<const HeaderEntry*> sorted;
  for (const HeaderEntry& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::int64_t expected = 0;
  for (const HeaderEntry* entry : sorted) {
    if (entry->begin != expected)
      throw CheckpointError(where + ": tensor \"" + entry->name + "\": data_offsets: got " + range_text(*entry) +
                            ", expected a begin of " + std::to_string(expected) + "; the data has " +
                            (entry->begin < expected ? "an overlap" : "a hole"));
    expected = entry->end;
  }
  if (expected != available)
    throw CheckpointError(where + ": got " + std::to_string(available) + " bytes of data, expected " +
                          std::to_string(expected) + " (the end of the last tensor)");
}

void append_json_string(std::string& json, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    constexpr std::string_view values = "\"\\\b\f\n\r\t", names = "\"\\bfnrt";
    if (const auto found = values.find(c); found != std::string_view::npos) {
      json += {'\\', names[found]};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += {'\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15]};
    } else {
      json += c;
    }
  }
  json += '"';
}

struct Entry {
  const std::string* name;
  const DtypeName* dtype;
  Tensor tensor;  // contiguous, on the CPU
};

std::vector<Entry> entries_to_write(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  std::vector<Entry> entries;
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    const std::string where = "write_safetensors: tensor \"" + name + "\": ";
    if (!names.insert(name).second) throw InputError(where + "occurs twice");
    if (name == "__metadata__" || find_invalid_utf8(name) != std::string::npos)
      throw InputError(where + "expected UTF-8 and not \"__metadata__\"");
    if (!tensor.defined()) throw InputError(where + "is undefined");
    const DtypeName* dtype = dtype_row(tensor.scalar_type());
    if (!dtype)
      throw InputError(where + "got dtype " + c10::toString(tensor.scalar_type()) +
                       ", expected one of: " + dtype_names());
    entries.push_back({&name, dtype, tensor.detach().to(at::kCPU).contiguous()});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.dtype != b.dtype ? a.dtype > b.dtype : *a.name < *b.name; });
  return entries;
}

std::string header_text(const std::vector<Entry>& entries, const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  const auto key = [&](std::string_view name) {
    if (json.back() != '{') json += ',';
    append_json_string(json, name);
    json += ':';
  };
  if (!metadata.empty()) {
    key("__metadata__");
    json += '{';
    for (const auto& [name, value] : metadata) {
      if (find_invalid_utf8(name) != std::string::npos || find_invalid_utf8(value) != std::string::npos)
        throw InputError("write_safetensors: metadata \"" + name + "\": expected UTF-8");
      key(name);
      append_json_string(json, value);
    }
    json += '}';
  }
  std::int64_t offset = 0;
  for (const Entry& entry : entries) {
    key(*entry.name);
    json.append("{\"dtype\":\"").append(entry.dtype->name).append("\",\"shape\":[");
    for (const std::int64_t size : entry.tensor.sizes())
      (json.back() == '[' ? json : json += ',') += std::to_string(size);
    json += "],\"data_offsets\":[" + std::to_string(offset);
    offset += static_cast<std::int64_t>(entry.tensor.nbytes());
    json.append(",").append(std::to_string(offset)).append("]}");
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');  // so that the data begins aligned
  return json;
}

}  // namespace

TensorTable read_safetensors(const std::filesystem::path& file) {
  const auto mapped = map_checkpoint(file);
  const OpenedFile opened = open_safetensors(*mapped);
  const std::string where = file.string();
  const auto available = static_cast<std::int64_t>(opened.data.size());
  TensorTable table;
  for (const HeaderEntry& entry : opened.header.entries) {
    const at::ScalarType dtype = check_entry(entry, where, available);
    const std::string_view bytes =
        opened.data.substr(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
    const auto load = [mapped, bytes, shape = entry.shape, dtype] { return tensor_over(bytes, shape, dtype, mapped); };
    table.emplace(entry.name, StoredTensor{entry.shape, dtype, load, file});
  }
  check_layout(opened.header.entries, where, available);
  return table;
}

std::map<std::string, std::string> safetensors_metadata(const std::filesystem::path& file) {
  return open_safetensors(*map_checkpoint(file)).header.metadata;
}

void write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<Entry> entries = entries_to_write(tensors);
  const std::string header = header_text(entries, metadata);
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  std::vector<std::string_view> pieces = {length, header};
  for (const Entry& entry : entries)
    pieces.emplace_back(static_cast<const char*>(entry.tensor.const_data_ptr()), entry.tensor.nbytes());
  write_file(file, pieces);
}

QuantizedRows quantize_rows(const Tensor& tensor, at::ScalarType scale_dtype) {
  if (!tensor.defined() || tensor.dim() < 2 || !tensor.is_floating_point())
    throw InputError("quantize_rows: got " + (tensor.defined() ? shape_text(tensor.sizes()) : std::string("nothing")) +
                     ", expected floating point of rank >= 2");
  if (scale_dtype != at::kFloat && scale_dtype != at::kHalf)
    throw InputError(std::string("quantize_rows: scale dtype: got ") + c10::toString(scale_dtype) +
                     ", expected fp32 or fp16");
  const Tensor rows = tensor.detach().to(at::kFloat).flatten(1);  // [rows, rest]
  const Tensor peak = rows.numel() > 0 ? rows.abs().amax(1) : at::zeros({rows.size(0)}, rows.options());
  const Tensor scale = (peak / 127).to(scale_dtype);  // [rows]
  if (!at::isfinite(scale).all().item<bool>())
    throw InputError("quantize_rows: the tensor holds numbers that are not finite, or too large for the scale's dtype");
  // A row of zeros, or one too small for the scale's dtype, becomes zeros.
  const Tensor divisor = scale.to(at::kFloat).unsqueeze(1);
  const Tensor values = at::where(divisor > 0, (rows / divisor).round().clamp(-127, 127), 0.0);
  return {values.to(at::kChar).reshape(tensor.sizes()), scale};
}

}  // namespace limn
