package example;

/** Comes from a layer. */
public class Shared {
    public static String who() {
        return "layer";
    }
}
