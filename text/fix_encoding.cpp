#include "text/fix_encoding.h"

#include <unicode/regex.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>

#include "core/error.h"
#include "text/unicode.h"

// The heuristics are ftfy's: which characters, side by side, are seldom meant. Its tables are small because only some
// 400 characters come out of UTF-8 read in the encodings below.
namespace limn {

namespace {

using Bytes = std::string;  // one char a byte

/// The upper half of a single-byte encoding; U+FFFD marks a byte that stands for the code point of its own number.
struct Encoding {
  const char* upper;
  bool sloppy;      ///< byte 1A stands for U+FFFD
  bool spaces_too;  ///< a space may have been a no-break space
};

constexpr Encoding kEncodings[] = {
    {nullptr, false, true},  // Latin-1
    {"€�‚ƒ„…†‡ˆ‰Š‹Œ�Ž��‘’“”•–—˜™š›œ�žŸ\u00A0¡¢£¤¥¦§¨©ª«¬\u00AD®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæ"
     "çèé"
     "êëìíîïðñòóôõö÷øùúûüýþÿ",
     true, true},  // Windows-1252
    {"ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—�™љ›њќћџ\u00A0ЎўЈ¤Ґ¦§Ё©Є«¬\u00AD®Ї°±Ііґµ¶·ё№є»јЅѕїАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеж"
     "зий"
     "клмнопрстуфхцчшщъыьэюя",
     true, true},  // Windows-1251
    {"€�‚�„…†‡�‰Š‹ŚŤŽŹ�‘’“”•–—�™š›śťžź\u00A0ˇ˘Ł¤Ą¦§¨©Ş«¬\u00AD®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺć"
     "çčé"
     "ęëěíîďđńňóôőö÷řůúűüýţ˙",
     true, true},  // Windows-1250
    {"€�‚ƒ„…†‡�‰�‹�����‘’“”•–—�™�›����\u00A0΅Ά£¤¥¦§¨©ª«¬\u00AD®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ�ΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζ"
     "ηθι"
     "κλμνξοπρςστυφχψωϊϋόύώ�",
     true, true},  // Windows-1253
    {"€�‚ƒ„…†‡ˆ‰Š‹Œ����‘’“”•–—˜™š›œ��Ÿ\u00A0¡¢£¤¥¦§¨©ª«¬\u00AD®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæ"
     "çèé"
     "êëìíîïğñòóôõö÷øùúûüışÿ",
     true, true},  // Windows-1254
    {"€�‚�„…†‡�‰�‹�¨ˇ¸�‘’“”•–—�™�›�¯˛�\u00A0�¢£¤�¦§Ø©Ŗ«¬\u00AD®Æ°±²³´µ¶·ø¹ŗ»¼½¾æĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåę"
     "ēčé"
     "źėģķīļšńņóōõö÷ųłśūüżž˙",
     true, true},  // Windows-1257
    {"��������������������������������\u00A0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u00ADŽŻ°ą˛ł´ľśˇ¸šşťź˝žżŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺć"
     "çčé"
     "ęëěíîďđńňóôőö÷řůúűüýţ˙",
     false, true},  // ISO 8859-2
    {"ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u00A0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎ"
     "ÏÌÓÔ"
     "\uF8FFÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
     false, false},  // Mac Roman, in which an en dash with a space behind it would look like a lead byte
    {"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡"
     "±"
     "≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0",
     false, true},  // code page 437
};
constexpr std::size_t kCount = std::size(kEncodings);
constexpr std::size_t kLatin1 = 0, kWindows1252 = 1;

/// The character of each byte.
std::array<char32_t, 256> characters_of(const Encoding& encoding) {
  std::array<char32_t, 256> characters;
  for (char32_t byte = 0; byte < 256; ++byte) characters[byte] = byte;
  if (encoding.upper) {
    const std::u32string upper = utf32(encoding.upper);
    for (std::size_t i = 0; i < 128; ++i)
      if (upper.at(i) != 0xFFFD) characters[128 + i] = upper[i];
  }
  if (encoding.sloppy) characters[0x1A] = 0xFFFD;
  return characters;
}

struct Codec {
  std::array<char32_t, 256> characters;
  std::map<char32_t, char> bytes;
};

const Codec& codec(std::size_t index) {
  static const std::array<Codec, kCount> codecs = [] {
    std::array<Codec, kCount> result;
    for (std::size_t i = 0; i < kCount; ++i) {
      result[i].characters = characters_of(kEncodings[i]);
      for (std::size_t byte = 0; byte < 256; ++byte)
        result[i].bytes.emplace(result[i].characters[byte], static_cast<char>(byte));
    }
    return result;
  }();
  return codecs[index];
}

/// The bytes that would give `text` in an encoding; nothing where it has none of the characters.
std::optional<Bytes> encoded(const std::u32string& text, std::size_t index) {
  Bytes bytes;
  for (const char32_t c : text) {
    const auto found = codec(index).bytes.find(c);
    if (found == codec(index).bytes.end()) return std::nullopt;
    bytes += found->second;
  }
  return bytes;
}

/// UTF-8 with two liberties: C0 80 is U+0000, and a surrogate pair may be written as two three-byte sequences.
std::optional<std::u32string> decoded(const Bytes& bytes) {
  std::string proper;
  const auto byte = [&](std::size_t at) -> unsigned {
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
  };
  for (std::size_t at = 0; at < bytes.size();) {
    if (byte(at) == 0xC0 && byte(at + 1) == 0x80) {
      proper += '\0';
      at += 2;
    } else if (byte(at) == 0xED && (byte(at + 1) & 0xF0) == 0xA0 && (byte(at + 2) & 0xC0) == 0x80 &&
               byte(at + 3) == 0xED && (byte(at + 4) & 0xF0) == 0xB0 && (byte(at + 5) & 0xC0) == 0x80) {
      append_utf8(proper, 0x10000 + ((byte(at + 1) & 0x0F) << 16) + ((byte(at + 2) & 0x3F) << 10) +
                              ((byte(at + 4) & 0x0F) << 6) + (byte(at + 5) & 0x3F));
      at += 6;
    } else {
      proper += bytes[at++];
    }
  }
  if (find_invalid_utf8(proper) != std::string::npos) return std::nullopt;
  return utf32(proper);
}

using Regex = std::unique_ptr<const icu::RegexPattern>;

Regex compiled(const std::string& expression) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  Regex regex(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(expression), 0, where, status));
  if (U_FAILURE(status)) throw Error(std::string("ICU: ") + u_errorName(status));
  return regex;
}

icu::UnicodeString utf16(const std::u32string& text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<std::int32_t>(text.size()));
}

std::u32string from_utf16(const icu::UnicodeString& text) {
  std::string bytes;
  text.toUTF8String(bytes);
  return utf32(bytes);
}

bool found_in(const Regex& regex, const std::u32string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = utf16(text);
  const std::unique_ptr<icu::RegexMatcher> matcher(regex->matcher(input, status));
  const bool found = U_SUCCESS(status) && matcher->find(status);
  if (U_FAILURE(status)) throw Error(std::string("ICU: ") + u_errorName(status));
  return found;
}

/// Replaces every match by what `use` makes of it.
template <typename Use>
std::u32string replaced(const Regex& regex, const std::u32string& text, Use use) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = utf16(text);
  const std::unique_ptr<icu::RegexMatcher> matcher(regex->matcher(input, status));
  icu::UnicodeString result;
  std::int32_t done = 0;
  while (U_SUCCESS(status) && matcher->find(status)) {
    const std::int32_t begin = matcher->start(status), end = matcher->end(status);
    result.append(input, done, begin - done);
    result.append(utf16(use(from_utf16(icu::UnicodeString(input, begin, end - begin)))));
    done = end;
  }
  if (U_FAILURE(status)) throw Error(std::string("ICU: ") + u_errorName(status));
  result.append(input, done, input.length() - done);
  return from_utf16(result);
}

/// ftfy's BADNESS_RE. Classes: C common, 1 C1 controls, B bad, W law, $ currency, ( and ) punctuation that starts and
/// ends, N numbers, K kaomoji, U and L accented letters, u and l other letters, X box drawing.
const Regex& badness() {
  static const Regex regex = [] {
    const std::map<char, std::string> classes = {
        {'C', R"(\u00A0\u00AD\u00B7\u00B4\u2013\u2014\u2015\u2026\u2019)"},
        {'1', R"(\u0080-\u009F)"},
        {'B', R"(\u00A6\u00A4\u00A8\u00AC\u00AF\u00B8ƒˆˇ˘˛˜†‡‰⌐◊\uFFFD\u00AA\u00BA)"},
        {'W', R"(\u00B6\u00A7)"},
        {'$', R"(\u00A2\u00A3\u00A5₧€)"},
        {'(', R"(\u00A1\u00AB\u00BF\u00A9΄΅‘‚“„•‹\uF8FF)"},
        {')', R"(\u00AE\u00BB˝”›™)"},
        {'N', R"(\u00B2\u00B3\u00B9\u00B1\u00BC\u00BD\u00BE\u00D7\u00B5\u00F7⁄∂∆∏∑√∞∩∫≈≠≡≤≥№)"},
        {'K', R"(Ò-ÖÙ-Üò-öø-üŐŌŪŲ\u00B0)"},
        {'U', "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"},
        {'L', "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ"},
        {'u', "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я"},
        {'l', "α-ωάέήίΰа-џ"},
        {'X', "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓"},
    };
    // <…> is a class made of the letters above; everything else is a regular expression.
    const char* kAlternatives[] = {"<1>",
                                   "<BLUX()$NW><B>",
                                   "[a-zA-Z]<lu><B>",
                                   "<B><LUX()$NW>",
                                   "<LlX)$N><U>",
                                   "<X)$N><L>",
                                   "<LX)><$>",
                                   R"([\p{White_Space}\u001C-\u001F]<U><$>)",
                                   "<UX><NW>",
                                   "<LUX$)><(><N>",
                                   "<LU$NXW><)><(>",
                                   "<$NX><(>",
                                   "[a-z]<U><($>",
                                   "<X><K>",
                                   "<LU$N()W><X>",
                                   "<X><)>",
                                   R"(<LU><()>[\p{L}\p{N}_])",
                                   "[Œœ][^A-Za-z]",
                                   R"(<U>\u00B0)",
                                   R"([ÂÃÎÐ](?:[€œŠš¢£Ÿž\u00A0\u00AD\u00AE©°·»–—´]|<()>))",
                                   "×[²³]",
                                   "[ØÙ](?:<C$BN(>|[ŸŠ®°µ»])[ØÙ](?:<C$BN(>|[ŸŠ®°µ»])",
                                   "à[²µ¹¼½¾]",
                                   "√[±∂†≠®™´≤≥¥µø]",
                                   "≈[°¢]",
                                   "‚Ä[ìîïòôúùû†°¢π]",
                                   "‚[âó][àä°ê]",
                                   "вЂ",
                                   "[ВГРС](?:<1B()$>|[°µ])[ВГРС]",
                                   "ГўВЂВ.[A-Za-z ]",
                                   R"(Ã[\u00A0¡])",
                                   R"([a-z][\p{White_Space}\u001C-\u001F]?[ÃÂ] )",
                                   "^[ÃÂ] ",
                                   "(?:[a-z.,?!]|<)>)Â(?: |<()>)",
                                   R"(β€[™\u00A0Ά\u00AD®°])",
                                   "[ΒΓΞΟ](?:<1B()$>|°)[ΒΓΞΟ]",
                                   "ā€"};
    std::string expression;
    for (const std::string_view alternative : kAlternatives) {
      if (!expression.empty()) expression += '|';
      for (std::size_t at = 0; at < alternative.size(); ++at) {
        if (alternative[at] != '<') {
          expression += alternative[at];
          continue;
        }
        expression += '[';
        while (alternative[++at] != '>') expression += classes.at(alternative[at]);
        expression += ']';
      }
    }
    return compiled(expression);
  }();
  return regex;
}

/// ftfy's UTF8_DETECTOR_RE: lead and continuation bytes as the encodings show them, not behind a continuation.
const Regex& embedded_utf8() {
  static const Regex regex = [] {
    const std::string letters = "ĄÆĽŁØŖŚŠŞŤŸŹŽŻŒąæƒľłøŗśšşťźžżœˆˇ˘˛˜˝΄΅ΆΈΉΊΌΎΏЁЂЃЄЅІЇЈЉЊЋЌЎЏёђѓєѕіїјљњћќўџҐґ†‡‰‹›€№™";
    const std::string strict = R"(\u0080-\u00BF)" + letters, any = "[" + strict + " –—―‘’‚“”„•…]";
    return compiled("(?<![" + strict +
                    "])(?:[ĂÂÄĀÅÃÆĆČÇĎĐÉĚÊËĖÈĒĘÐĞĢÍÎÏİÌĪĶĹĻŁŃŇŅÑÓÔÖŐÒŌØÕŘŚŠŞŢÞÚÛÜŰÙŪŲŮÝŹŽŻß×"
                    "ΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫάέήίВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ]" +
                    any + "|[áăâäàāąåãæćčçďéěêëėèēęģíîïìīįķĺļŕźΰαβγδεζηθικλμνξοабвгдежзийклмноп]" + any +
                    "{2}"
                    "|[đðğóšπσру]" +
                    any + "{3})+");
  }();
  return regex;
}

// The next three work on bytes, each written as the code point of its number.

/// Puts back no-break spaces that became plain ones inside UTF-8 sequences; " Ã " as a word keeps its space.
void restore_byte_a0(Bytes& bytes) {
  static const Regex word = compiled(R"(\u00C3 (?! |quele|quela|quilo|s ))");
  static const Regex altered =
      compiled(R"([\u00C2\u00C3\u00C5\u00CE\u00D0\u00D9] |[\u00E2\u00E3] [\u0080-\u0084\u0086-\u009F\u00A1-\u00BF])"
               R"(|[\u00E0-\u00E3][\u0080-\u0084\u0086-\u009F\u00A1-\u00BF] |\u00F0 [\u0080-\u00BF][\u0080-\u00BF])"
               R"(|\u00F0[\u0080-\u00BF] [\u0080-\u00BF]|\u00F0[\u0080-\u00BF][\u0080-\u00BF] )");
  std::u32string text;
  for (const char byte : bytes) text += static_cast<unsigned char>(byte);
  if (!found_in(altered, text)) return;
  text = replaced(word, text, [](const std::u32string&) { return std::u32string(U"\u00C3\u00A0 "); });
  text = replaced(altered, text, [](std::u32string match) {
    std::replace(match.begin(), match.end(), U' ', U'\u00A0');
    return match;
  });
  bytes.clear();
  for (const char32_t c : text) bytes += static_cast<char>(c);
}

/// UTF-8 sequences of which a byte was lost (1A, at times ?) become U+FFFD.
void replace_lossy(Bytes& bytes) {
  static const Regex lossy =
      compiled(R"([\u00C2-\u00DF]\u001A|[\u00C2-\u00C3]\?)"
               R"(|\u00ED[\u00A0-\u00AF][\u001A?]\u00ED[\u00B0-\u00BF][\u001A?\u0080-\u00BF])"
               R"(|\u00ED[\u00A0-\u00AF][\u001A?\u0080-\u00BF]\u00ED[\u00B0-\u00BF][\u001A?])"
               R"(|[\u00E0-\u00EF][\u001A?][\u001A\u0080-\u00BF]|[\u00E0-\u00EF][\u001A\u0080-\u00BF][\u001A?])"
               R"(|[\u00F0-\u00F4][\u001A?][\u001A\u0080-\u00BF][\u001A\u0080-\u00BF])"
               R"(|[\u00F0-\u00F4][\u001A\u0080-\u00BF][\u001A?][\u001A\u0080-\u00BF])"
               R"(|[\u00F0-\u00F4][\u001A\u0080-\u00BF][\u001A\u0080-\u00BF][\u001A?]|\u001A)");
  std::u32string text;
  for (const char byte : bytes) text += static_cast<unsigned char>(byte);
  text = replaced(lossy, text, [](const std::u32string&) { return std::u32string(U"\u00EF\u00BF\u00BD"); });
  bytes.clear();
  for (const char32_t c : text) bytes += static_cast<char>(c);
}

/// The whole text as if read in one of the encodings; nothing where none gives UTF-8.
std::optional<std::u32string> reread(const std::u32string& text) {
  for (std::size_t i = 0; i < kCount; ++i) {
    std::optional<Bytes> bytes = encoded(text, i);
    if (!bytes) continue;
    if (kEncodings[i].spaces_too) restore_byte_a0(*bytes);
    if (kEncodings[i].sloppy) replace_lossy(*bytes);
    if (auto result = decoded(*bytes)) return result;
  }
  return std::nullopt;
}

bool is_ascii_text(const std::u32string& text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
}

std::u32string fix_parts(const std::u32string& text) {
  return replaced(embedded_utf8(), text, [&](const std::u32string& part) {
    return part.size() < text.size() && found_in(badness(), part) ? fix_encoding(part) : part;
  });
}

/// Latin-1 that was meant as Windows-1252; nothing where a byte means nothing there.
std::optional<std::u32string> as_windows_1252(std::u32string text) {
  for (char32_t& c : text) {
    if (c > 0xFF || c == 0x81 || c == 0x8D || c == 0x8F || c == 0x90 || c == 0x9D) return std::nullopt;
    if (c >= 0x80) c = codec(kWindows1252).characters[c];
  }
  return text;
}

std::u32string fix_once(const std::u32string& text) {
  if (is_ascii_text(text) || !found_in(badness(), text)) return text;
  if (auto result = reread(text)) return *result;
  if (std::u32string result = fix_parts(text); result != text) return result;
  if (encoded(text, kLatin1)) {
    if (const auto result = as_windows_1252(text); result && *result != text) return *result;
  }
  std::u32string result = text;
  fix_c1_controls(result);
  return result;
}

}  // namespace

void fix_c1_controls(std::u32string& text) {
  for (char32_t& c : text)
    if (c >= 0x80 && c <= 0x9F) c = codec(kWindows1252).characters[c];
}

std::u32string fix_encoding(std::u32string text) {
  for (;;) {
    std::u32string fixed = fix_once(text);
    if (fixed == text) return text;
    text = std::move(fixed);
  }
}

}  // namespace limn
