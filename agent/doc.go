// Package agent looks at a node: it joins what the kernel says of every process with what
// containerd says of every container into a snapshot that package audit can judge.
package agent
