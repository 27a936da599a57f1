// `natspki tls`: a tls block for any part of a server's configuration, printed or put into a file.
