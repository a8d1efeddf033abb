/** FolderProblem is a place in the folder that cannot be used now; what was there before goes on being served. */
export interface FolderProblem {
  /** file is the path below the folder with forward slashes; empty where it is the folder itself. */
  readonly file: string;
  /** line counts from 1. */
  readonly line: number;
  readonly message: string;
}
