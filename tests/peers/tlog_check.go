// Checks a dose's proof, or that a log grew, with Go's own note and tlog packages: `tlog_check UNIT PHARMACY FILE...`.
// UNIT and PHARMACY are verifier lines. Two files are a record and its proof, three an old head, "grew" and the proof.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// cosigner is what note lacks: C2SP cosignature/v1, key type 0x04, over a time and the text.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), text)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) != 33 || data[0] != 4 {
		log.Fatalf("not a witness key: %s", vkey)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
	return cosigner{parts[0], binary.BigEndian.Uint32(sum[:]), data[1:]}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// open returns the tree of a note that both keys signed.
func open(text string, unit note.Verifier, pharmacy cosigner) tlog.Tree {
	opened := must(note.Open([]byte(text), note.VerifierList(unit, pharmacy)))
	if len(opened.Sigs) != 2 || len(opened.UnverifiedSigs) != 0 {
		log.Fatalf("%d good signatures and %d others", len(opened.Sigs), len(opened.UnverifiedSigs))
	}
	var tree tlog.Tree
	var origin, root string
	must(fmt.Sscanf(opened.Text, "%s\n%d\n%s\n", &origin, &tree.N, &root))
	if origin != unit.Name() {
		log.Fatalf("origin %s", origin)
	}
	tree.Hash = must(tlog.ParseHash(root))
	return tree
}

func main() {
	log.SetFlags(0)
	unit, pharmacy := must(note.NewVerifier(os.Args[1])), newCosigner(os.Args[2])
	subject := string(must(os.ReadFile(os.Args[3])))
	front, head, _ := strings.Cut(string(must(os.ReadFile(os.Args[len(os.Args)-1]))), "\n\n")
	lines, tree := strings.Split(front, "\n"), open(head, unit, pharmacy)
	var number int64
	var path []tlog.Hash
	grew := len(os.Args) == 6
	for place, line := range lines {
		if hash, err := tlog.ParseHash(line); err == nil {
			path = append(path, hash)
		} else if place < 2 {
			fmt.Sscanf(line, map[bool]string{false: "index %d", true: "old %d"}[grew], &number)
		}
	}
	if grew {
		old := open(subject, unit, pharmacy)
		if old.N != number {
			log.Fatalf("old %d, but the head says %d", number, old.N)
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			log.Fatal(err)
		}
	} else if err := tlog.CheckRecord(path, tree.N, tree.Hash, number, tlog.RecordHash([]byte(subject))); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok", number, tree.N)
}
