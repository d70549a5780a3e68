package roster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Encoding is how a file's characters are written. UTF-8, and UTF-16 that says
// so in its first two bytes, are found out; all others must be named.
type Encoding string

// The encodings.
const (
	UTF8        Encoding = "utf-8"
	UTF16       Encoding = "utf-16" // with a byte order mark
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	Latin1      Encoding = "latin1"
	Windows1252 Encoding = "windows-1252"
)

// Encodings are all that can be read.
func Encodings() []Encoding {
	return []Encoding{UTF8, UTF16, UTF16LE, UTF16BE, Latin1, Windows1252}
}

// EncodingOf gives the encoding that a name means, in whatever case and by the
// names that are registered for it: "ISO-8859-1" is Latin1.
func EncodingOf(name string) (Encoding, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return UTF8, true
	case "utf-16", "utf16":
		return UTF16, true
	case "utf-16le":
		return UTF16LE, true
	case "utf-16be":
		return UTF16BE, true
	case "latin1", "latin-1", "iso-8859-1", "iso_8859-1", "l1":
		return Latin1, true
	case "windows-1252", "cp1252", "cp-1252":
		return Windows1252, true
	default:
		return "", false
	}
}

// What a file begins with that says its encoding.
const (
	markUTF8    = "\xef\xbb\xbf"
	markUTF16LE = "\xff\xfe"
	markUTF16BE = "\xfe\xff"
)

const toUTF8 = `save it as "CSV UTF-8" in Excel, or convert it: iconv -f WINDOWS-1252 -t UTF-8`

// misread is a file that can't be read as text.
type misread struct {
	line, column    int
	problem, remedy string
}

// decode gives a file's text, in UTF-8 and without a byte order mark.
func decode(src []byte, said Encoding) ([]byte, *misread) {
	marked := markOf(src)
	switch {
	case marked != "" && !agree(said, marked):
		return nil, &misread{1, 1, fmt.Sprintf("the file begins as %s does, and is said to be %s", marked, said), "leave the encoding away"}
	case marked == "" && said == UTF16:
		return nil, &misread{1, 1, "the file does not begin with a byte order mark, as UTF-16 does", "say utf-16le or utf-16be, or " + toUTF8}
	case marked != "":
		said = marked
	case said == "":
		said = UTF8
	}
	switch said {
	case UTF16LE:
		return decodeUTF16(bytes.TrimPrefix(src, []byte(markUTF16LE)), unicode.LittleEndian, binary.LittleEndian)
	case UTF16BE:
		return decodeUTF16(bytes.TrimPrefix(src, []byte(markUTF16BE)), unicode.BigEndian, binary.BigEndian)
	case Latin1:
		return decodeWith(charmap.ISO8859_1, src)
	case Windows1252:
		return decodeWith(charmap.Windows1252, src)
	case UTF8, UTF16:
		return decodeUTF8(bytes.TrimPrefix(src, []byte(markUTF8)))
	default:
		return nil, &misread{1, 1, fmt.Sprintf("the encoding %q is not known", said), "use utf-8, utf-16, utf-16le, utf-16be, latin1 or windows-1252"}
	}
}

func markOf(src []byte) Encoding {
	switch {
	case bytes.HasPrefix(src, []byte(markUTF8)):
		return UTF8
	case bytes.HasPrefix(src, []byte(markUTF16LE)):
		return UTF16LE
	case bytes.HasPrefix(src, []byte(markUTF16BE)):
		return UTF16BE
	default:
		return ""
	}
}

func agree(said, marked Encoding) bool {
	return said == "" || said == marked || said == UTF16 && marked != UTF8
}

func decodeUTF8(src []byte) ([]byte, *misread) {
	if bad := firstInvalid(src); bad >= 0 {
		line, column := place(src[:bad])
		return nil, &misread{
			line, column, fmt.Sprintf("the file is not UTF-8: the byte 0x%02X here is not", src[bad]),
			toUTF8 + "; or say its encoding, windows-1252 or latin1",
		}
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		line, column := place(src[:i])
		return nil, &misread{
			line, column, "the file holds a NUL character",
			`save the sheet as "CSV UTF-8"; a workbook is no text file, and UTF-16 without a byte order mark must be said (utf-16le)`,
		}
	}
	return src, nil
}

// firstInvalid is the offset of the first byte that is not UTF-8, -1 for none.
func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func decodeUTF16(src []byte, end unicode.Endianness, order binary.ByteOrder) ([]byte, *misread) {
	text, err := unicode.UTF16(end, unicode.IgnoreBOM).NewDecoder().Bytes(src)
	if err != nil {
		return nil, &misread{1, 1, "the file can't be read as UTF-16", toUTF8}
	}
	if bad := firstUnpaired(src, order); bad >= 0 {
		// Everything before it is whole.
		before, _ := unicode.UTF16(end, unicode.IgnoreBOM).NewDecoder().Bytes(src[:bad])
		line, column := place(before)
		return nil, &misread{line, column, "the file is not UTF-16: half a character is here", toUTF8}
	}
	return decodeUTF8(text)
}

// firstUnpaired is the offset of the first half of a character without the other, -1 for none.
func firstUnpaired(src []byte, order binary.ByteOrder) int {
	for i := 0; i < len(src); i += 2 {
		if i+1 == len(src) {
			return i
		}
		first := rune(order.Uint16(src[i:]))
		if !utf16.IsSurrogate(first) {
			continue
		}
		if i+3 >= len(src) || utf16.DecodeRune(first, rune(order.Uint16(src[i+2:]))) == utf8.RuneError {
			return i
		}
		i += 2
	}
	return -1
}

// decodeWith decodes one byte a character.
func decodeWith(table encoding.Encoding, src []byte) ([]byte, *misread) {
	text, err := table.NewDecoder().Bytes(src)
	if err != nil {
		return nil, &misread{1, 1, "the file can't be read in this encoding", toUTF8}
	}
	if i := bytes.IndexRune(text, utf8.RuneError); i >= 0 {
		line, column := place(text[:i])
		return nil, &misread{line, column, "a byte here stands for no character in this encoding", "say another encoding, or " + toUTF8}
	}
	return decodeUTF8(text)
}

// place is where a text ends, as line and column in characters, from 1.
func place(before []byte) (line, column int) {
	text := unixLines(before)
	line = 1 + bytes.Count(text, []byte("\n"))
	return line, 1 + utf8.RuneCount(text[bytes.LastIndexByte(text, '\n')+1:])
}

// unixLines ends every line as Unix does: Windows has two characters there, and
// an old Mac, or Excel on one, another.
func unixLines(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}
