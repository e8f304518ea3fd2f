// Package metainfo reads .torrent files and magnets that strangers send, within limits.
//
// [Parse] looks at every byte once, without recursion and without allocating, before it decodes
// anything: size, nesting, number of tokens and canonical form are settled there. Then it reads
// the fields it knows and checks that they fit together: pieces cover the files exactly, no path
// leaves its folder, no name is one that a file system treats specially.
//
// [Build] makes a .torrent from a file or folder. [Guard] says which network addresses a
// stranger may make us talk to.
package metainfo
