#include "core/zip.h"

#include <zlib.h>

#include <algorithm>
#include <optional>

namespace limn {
namespace {

constexpr std::uint32_t kLocal = 0x04034B50, kCentral = 0x02014B50, kEnd = 0x06054B50;
constexpr std::uint32_t kEnd64 = 0x06064B50, kEnd64Locator = 0x07064B50;
constexpr std::uint64_t kMostRatio = 1032;  // deflate cannot shrink by more

/// Little-endian numbers at checked places of the archive.
struct Reader {
  std::string_view bytes;
  const std::string& where;

  [[noreturn]] void fail(const std::string& what) const { throw CheckpointError(where + ": zip archive: " + what); }

  std::string_view part(std::uint64_t at, std::uint64_t count, const char* what) const {
    if (at > bytes.size() || count > bytes.size() - at)
      fail(std::string(what) + " lies outside the file; is the file truncated?");
    return bytes.substr(at, count);
  }

  std::uint64_t number(std::uint64_t at, std::size_t width, const char* what) const {
    const std::string_view digits = part(at, width, what);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    return value;
  }
};

struct Directory {
  std::uint64_t count, size, offset;
};

/// The end record is the last thing in the file but for a comment of at most 65535 bytes.
std::uint64_t find_end(const Reader& in) {
  constexpr std::uint64_t shortest = 22, farthest = shortest + 65535;
  if (in.bytes.size() >= shortest) {
    const std::uint64_t first = in.bytes.size() > farthest ? in.bytes.size() - farthest : 0;
    for (std::uint64_t at = in.bytes.size() - shortest + 1; at-- > first;)
      if (in.bytes[at] == 'P' && in.number(at, 4, "end record") == kEnd) return at;
  }
  in.fail("its directory is missing; is the file truncated?");
}

Directory read_end(const Reader& in) {
  const std::uint64_t end = find_end(in);
  if (in.number(end + 4, 2, "end record") != 0 || in.number(end + 6, 2, "end record") != 0)
    in.fail("is split over several files");
  Directory directory{in.number(end + 10, 2, "end record"), in.number(end + 12, 4, "end record"),
                      in.number(end + 16, 4, "end record")};
  if (end >= 20 && in.number(end - 20, 4, "zip64 locator") == kEnd64Locator) {
    const std::uint64_t end64 = in.number(end - 12, 8, "zip64 locator");
    if (in.number(end64, 4, "zip64 end record") != kEnd64) in.fail("its zip64 end record is missing");
    directory = {in.number(end64 + 32, 8, "zip64 end record"), in.number(end64 + 40, 8, "zip64 end record"),
                 in.number(end64 + 48, 8, "zip64 end record")};
  }
  return directory;
}

/// Replaces the fields that say 0xFFFFFFFF by those of the zip64 extra field.
void read_zip64(const Reader& in, std::string_view extra, ZipFile::Entry& entry, const std::string& name) {
  const Reader field{extra, in.where};
  for (std::uint64_t at = 0; at + 4 <= extra.size();) {
    const std::uint64_t id = field.number(at, 2, "extra field"), length = field.number(at + 2, 2, "extra field");
    at += 4;
    if (id == 1) {
      std::uint64_t from = at;
      for (std::uint64_t* value : {&entry.size, &entry.compressed, &entry.header}) {
        if (*value != 0xFFFFFFFF) continue;
        if (from + 8 > at + length) in.fail("entry \"" + name + "\": its zip64 field is too short");
        *value = field.number(from, 8, "extra field");
        from += 8;
      }
      return;
    }
    at += length;
  }
}

std::shared_ptr<std::string> inflated(std::string_view packed, std::uint64_t size, const Reader& in,
                                      const std::string& name) {
  auto result = std::make_shared<std::string>(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) in.fail("entry \"" + name + "\": no memory to unpack it");
  constexpr std::uint64_t chunk = std::uint64_t{1} << 30;  // zlib counts in 32 bits
  std::uint64_t read = 0, written = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(std::min(chunk, packed.size() - read));
    stream.next_out = reinterpret_cast<Bytef*>(result->data() + written);
    stream.avail_out = static_cast<uInt>(std::min(chunk, size - written));
    const uInt in_before = stream.avail_in, out_before = stream.avail_out;
    status = inflate(&stream, Z_NO_FLUSH);
    read += in_before - stream.avail_in;
    written += out_before - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || written != size)
    in.fail("entry \"" + name + "\": cannot be unpacked: got " + std::to_string(written) + " bytes, expected " +
            std::to_string(size));
  return result;
}

}  // namespace

ZipFile::ZipFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  const std::string where = file_->path().string();
  const Reader in{file_->bytes(), where};
  const Directory directory = read_end(in);
  const Reader central{in.part(directory.offset, directory.size, "its directory"), where};
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (central.number(at, 4, "a directory entry") != kCentral) in.fail("its directory is damaged");
    const auto field = [&](std::uint64_t offset, std::size_t width) {
      return central.number(at + offset, width, "a directory entry");
    };
    const std::uint64_t name_length = field(28, 2), extra_length = field(30, 2), comment_length = field(32, 2);
    const std::string name(central.part(at + 46, name_length, "a directory entry"));
    if (field(8, 2) & 1) in.fail("entry \"" + name + "\": is encrypted");
    Entry entry{static_cast<std::uint16_t>(field(10, 2)), field(20, 4), field(24, 4), field(42, 4)};
    read_zip64(in, central.part(at + 46 + name_length, extra_length, "a directory entry"), entry, name);
    if (!entries_.emplace(name, entry).second) in.fail("entry \"" + name + "\" occurs twice");
    at += 46 + name_length + extra_length + comment_length;
  }
}

OwnedBytes ZipFile::content(std::string_view name) const {
  const std::string where = file_->path().string(), entry_name(name);
  const Reader in{file_->bytes(), where};
  const auto found = entries_.find(name);
  if (found == entries_.end()) in.fail("entry \"" + entry_name + "\" is missing");
  const Entry& entry = found->second;
  const std::string what = "entry \"" + entry_name + "\"";
  if (in.number(entry.header, 4, what.c_str()) != kLocal) in.fail(what + ": its local header is damaged");
  // The local header's name and extra field may be longer than the directory's: torch.save pads there.
  const std::uint64_t name_length = in.number(entry.header + 26, 2, what.c_str());
  const std::uint64_t extra_length = in.number(entry.header + 28, 2, what.c_str());
  const std::string_view packed =
      in.part(entry.header + 30 + name_length + extra_length, entry.compressed, what.c_str());
  if (entry.method == 0) {
    if (entry.size != entry.compressed) in.fail(what + ": is stored, but its two sizes differ");
    return {packed, file_};
  }
  if (entry.method != 8)
    in.fail(what + ": compression method: got " + std::to_string(entry.method) +
            ", expected 0 (stored) or 8 (deflated)");
  if (entry.size / kMostRatio > entry.compressed)
    in.fail(what + ": claims to unpack " + std::to_string(entry.compressed) + " bytes into " +
            std::to_string(entry.size));
  const std::shared_ptr<std::string> unpacked = inflated(packed, entry.size, in, entry_name);
  return {*unpacked, unpacked};
}

}  // namespace limn
