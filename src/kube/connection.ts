/** TlsMaterial is what TLS connections are made with; everything is PEM. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** TlsSource yields the TlsMaterial of now; it is the same object for as long as nothing has changed. */
export interface TlsSource {
  /** current resolves with what to connect with. */
  current(): Promise<TlsMaterial>;
  /** refresh looks for changes at once, because what `current` returned has been refused. */
  refresh(): Promise<void>;
}

/** KubeConnection is all that is needed to talk to one API server as one user. */
export interface KubeConnection {
  readonly server: URL;
  /** tls is left out where the server's certificate is checked against the system's authorities alone. */
  readonly tls?: TlsSource | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly tlsServerName?: string | undefined;
  /** proxy is an http or https proxy that all connections go through. */
  readonly proxy?: URL | undefined;
  /** impersonateUser is sent as Impersonate-User. */
  readonly impersonateUser?: string | undefined;
  /** namespace is the default one of the service account or the kubeconfig's context. */
  readonly namespace?: string | undefined;
  /** authorization resolves with the Authorization header value, or undefined where a certificate is the credential. */
  authorization(): Promise<string | undefined>;
  /**
   * onUnauthorized drops the credential `refused`, which was sent at `sentAtMs` (monotonic), unless it has been replaced
   * or looked up again since then: however many requests were refused together, it is looked up once.
   */
  onUnauthorized(refused: string | undefined, sentAtMs: number): void;
}

/** CredentialsNotice is said once for each change: new certificates are in use, or unusable ones were left alone. */
export interface CredentialsNotice {
  readonly kind: 'Reloaded' | 'Kept';
  /** message is a sentence that names the file. */
  readonly message: string;
}
