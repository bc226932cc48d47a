# The binary is built outside (make image): it is static and the same for every image, and the build needs no base image
# and no network.
FROM scratch

ARG TARGETARCH

LABEL org.opencontainers.image.title="nsaudit" \
      org.opencontainers.image.description="Tells which containers really share the host's namespaces" \
      org.opencontainers.image.url="https://github.com/nsaudit/nsaudit" \
      org.opencontainers.image.source="https://github.com/nsaudit/nsaudit" \
      org.opencontainers.image.documentation="https://github.com/nsaudit/nsaudit#readme" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY dist/nsaudit-linux-${TARGETARCH} /nsaudit

# Not a slip: the kernel shows other users' namespaces only to CAP_SYS_PTRACE, which a container's non-root user doesn't
# get from its manifest, and containerd's socket is uid 0's. What root may do is cut down in the manifest instead.
USER 0

ENTRYPOINT ["/nsaudit"]
