package procfd

import "bytes"

// CutField cuts the first word off a line, without making a list of all.
func CutField(line []byte) (field, rest []byte) {
	line = bytes.TrimLeft(line, " ")
	end := bytes.IndexByte(line, ' ')
	if end < 0 {
		return line, nil
	}
	return line[:end], line[end:]
}
