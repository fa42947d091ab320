//! Sources, loaders and transforms.
#![cfg(all(feature = "archives", feature = "images"))]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chainrule::data::{
    Batch, Cifar, Example, Filter, ImageFolder, Loader, Source, Text, Transform, Transformed, decode_image,
    digits, load_cifar, read_cifar, read_image, resize,
};
use chainrule::{Array, DType, Generator, Result};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

/// A folder of this test's own, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chainrule-data-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Images with random crops and flips, so that workers could disturb each other.
fn augmented() -> Transformed<Images> {
    let steps = vec![
        Transform::RandomCrop { height: 6, width: 5, padding: 1 },
        Transform::RandomFlip { probability: 0.5 },
        Transform::Float { divisor: 255.0 },
    ];
    Transformed::new(Images, steps)
}

struct Images;

impl Source for Images {
    fn len(&self) -> usize {
        23
    }

    fn example(&self, i: usize, _: &mut Generator) -> Result<Example> {
        let pixels = (0..3 * 7 * 8).map(|p| (p * 7 + i * 31) as u8).collect();
        Ok(Example { input: Array::from_vec(pixels, [3, 7, 8])?, target: Array::scalar(i as i64) })
    }
}

fn all<S: Source + 'static>(loader: &Loader<S>, epoch: usize) -> Vec<Batch> {
    loader.epoch(epoch).collect::<Result<_>>().unwrap()
}

#[test]
fn batches_are_the_same_for_any_number_of_workers() {
    let alone = all(&Loader::new(augmented(), 5).shuffle(3), 1);
    assert_eq!(alone.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>(), [5, 5, 5, 5, 3]);
    for workers in [1, 2, 3, 8] {
        let loader = Loader::new(augmented(), 5).shuffle(3).workers(workers).ahead(1);
        for (a, b) in alone.iter().zip(all(&loader, 1)) {
            assert!(a.inputs.same_as(&b.inputs) && a.targets.same_as(&b.targets), "{workers} workers");
            assert_eq!(a.indices, b.indices);
        }
        // From the middle on, and left early.
        let rest: Vec<Batch> = loader.epoch_from(1, 3).collect::<Result<_>>().unwrap();
        assert!(rest.len() == 2 && rest[0].inputs.same_as(&alone[3].inputs));
        assert_eq!(loader.epoch(1).next().unwrap().unwrap().indices, alone[0].indices);
        assert_eq!(loader.epoch_from(1, 99).count(), 0);
    }
    let mut seen: Vec<usize> = alone.iter().flat_map(|batch| batch.indices.clone()).collect();
    assert_ne!(seen, (0..23).collect::<Vec<_>>());
    seen.sort_unstable();
    assert_eq!(seen, (0..23).collect::<Vec<_>>());
    let again = all(&Loader::new(augmented(), 5).shuffle(3), 2);
    assert_ne!(again[0].indices, alone[0].indices, "each epoch has its own order");
    let plain = all(&Loader::new(augmented(), 5).drop_last(true), 0);
    assert_eq!((plain.len(), &plain[0].indices[..]), (4, &[0, 1, 2, 3, 4][..]));
}

#[test]
fn the_loader_shuffles_as_training_does() {
    let data = digits();
    let batches = data.batches(32, 7, 4);
    let loader = Loader::new(data, 32).shuffle(7);
    for (batch, indices) in loader.epoch(4).zip(batches) {
        assert_eq!(batch.unwrap().indices, indices);
    }
}

#[test]
fn faults_of_a_source_reach_the_caller() {
    struct Bad(&'static str);
    impl Source for Bad {
        fn len(&self) -> usize {
            4
        }
        fn example(&self, i: usize, _: &mut Generator) -> Result<Example> {
            match (self.0, i) {
                ("panic", 3) => panic!("a source may fail"),
                ("shape", 3) => Ok(Example { input: Array::zeros([3]), target: Array::scalar(0i64) }),
                _ => Ok(Example { input: Array::zeros([2]), target: Array::scalar(0i64) }),
            }
        }
    }
    for workers in [0, 2] {
        let loader = Loader::new(Bad("shape"), 2).workers(workers);
        let batches: Vec<Result<Batch>> = loader.epoch(0).collect();
        let error = batches[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("example 2 is f32[2]") && error.contains("example 3 is f32[3]"), "{error}");
        assert!(batches[0].is_ok());
    }
    let batches: Vec<Result<Batch>> = Loader::new(Bad("panic"), 2).workers(2).epoch(0).collect();
    assert!(batches[0].is_ok() && batches[1].as_ref().unwrap_err().to_string().contains("ended"));
}

#[test]
fn resizing_is_pillows_to_the_bit() {
    let (arrays, _) = chainrule::io::load_tensors(golden("resize.npz")).unwrap();
    let image = &arrays.iter().find(|(name, _)| name == "image").unwrap().1;
    let mut compared = 0;
    for (name, expected) in arrays.iter().filter(|(name, _)| name != "image") {
        let filter = if name.contains("bicubic") { Filter::Bicubic } else { Filter::Bilinear };
        let (height, width) = (expected.shape()[1], expected.shape()[2]);
        if name.starts_with("float") {
            let resized = resize(&image.cast(DType::F32), height, width, filter).unwrap();
            assert!(resized.all_close(expected, 1e-4, 1e-3), "{name}");
        } else {
            assert!(resize(image, height, width, filter).unwrap().same_as(expected), "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 20);
    assert!(resize(image, 0, 3, Filter::Bilinear).is_err());
    assert!(resize(&Array::zeros([2, 2]), 1, 1, Filter::Bilinear).is_err());
}

#[test]
fn transforms_do_what_they_say() {
    let image = Array::from_vec((0..2 * 3 * 4).collect::<Vec<i64>>(), [2, 3, 4]).unwrap().cast(DType::U8);
    let mut random = Generator::new(0);
    let mut apply = |step: Transform| step.apply(&image, &mut random).unwrap();
    assert_eq!(apply(Transform::Square).to_f64_vec()[..3], [0.0, 1.0, 2.0]);
    assert_eq!(apply(Transform::CenterCrop { height: 1, width: 2 }).to_f64_vec(), [5.0, 6.0, 17.0, 18.0]);
    let around = apply(Transform::CenterCrop { height: 5, width: 4 });
    assert_eq!(around.shape()[..], [2, 5, 4]);
    assert_eq!(around.to_f64_vec()[..9], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    let flipped = apply(Transform::RandomFlip { probability: 1.0 });
    assert_eq!(flipped.to_f64_vec()[..5], [3.0, 2.0, 1.0, 0.0, 7.0]);
    assert!(apply(Transform::RandomFlip { probability: 0.0 }).same_as(&image));
    let swapped = apply(Transform::ReverseChannels).to_f64_vec();
    assert_eq!((swapped[0], swapped[12]), (12.0, 0.0));
    let colour = Array::from_vec(vec![10u8, 0, 20, 0, 30, 255], [3, 1, 2]).unwrap();
    let grey = Transform::Grey.apply(&colour, &mut Generator::new(0)).unwrap();
    assert_eq!((&grey.shape()[..], grey.to_f64_vec()), (&[1, 1, 2][..], vec![18.0, 29.0]));
    let again = Transform::Colour.apply(&grey, &mut Generator::new(0)).unwrap();
    assert_eq!(again.to_f64_vec(), [18.0, 29.0, 18.0, 29.0, 18.0, 29.0]);
    assert_eq!(apply(Transform::Flatten).shape()[..], [24]);
    let scaled = apply(Transform::Normalise { mean: vec![1.0, 12.0], deviation: vec![2.0, 1.0] });
    assert_eq!((scaled.get(&[0, 0, 3]).unwrap(), scaled.get(&[1, 0, 0]).unwrap()), (1.0, 0.0));
    assert_eq!(apply(Transform::ResizeShorter { size: 6, filter: Filter::Bilinear }).shape()[..], [2, 6, 8]);
    // Each crop is a part of the padded image, and all places occur.
    let mut corners: Vec<i64> = (0..200)
        .map(|_| apply(Transform::RandomCrop { height: 3, width: 4, padding: 1 }).to_i64_vec()[5])
        .collect();
    corners.sort_unstable();
    corners.dedup();
    assert_eq!(corners.len(), 9);
    for refused in [
        Transform::Normalise { mean: vec![0.0], deviation: vec![1.0] },
        Transform::RandomCrop { height: 9, width: 1, padding: 0 },
    ] {
        assert!(refused.apply(&image, &mut Generator::new(0)).is_err());
    }
    let steps = vec![Transform::Square, Transform::Float { divisor: 1.0 }];
    let text = serde_json::to_string(&steps).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Transform>>(&text).unwrap(), steps);
}

#[test]
fn images_and_folders_of_them_are_read() {
    let (arrays, _) = chainrule::io::load_tensors(golden("resize.npz")).unwrap();
    let image = &arrays.iter().find(|(name, _)| name == "image").unwrap().1;
    assert!(read_image(golden("pixels.png")).unwrap().same_as(image));
    let jpeg = read_image(golden("pixels.jpg")).unwrap();
    assert_eq!(jpeg.shape()[..], [3, 16, 16]);
    assert!((jpeg.get(&[1, 15, 15]).unwrap() - 254.0).abs() < 12.0);

    let png = std::fs::read(golden("pixels.png")).unwrap();
    let folder = Folder::new("images");
    for name in ["cat/b.png", "cat/a.PNG", "dog/by night/c.png", "dog/.hidden.png", "dog/notes.txt"] {
        folder.write(name, &png);
    }
    folder.write("readme.txt", b"not a class");
    let images = ImageFolder::open(&folder.0).unwrap();
    assert_eq!((images.len(), &images.classes[..]), (3, &["cat".to_string(), "dog".to_string()][..]));
    assert!(images.images[0].0.ends_with("cat/a.PNG"));
    let batch = Loader::new(images.clone(), 8).workers(2).epoch(0).next().unwrap().unwrap();
    assert_eq!((&batch.inputs.shape()[..], batch.targets.to_i64_vec()), (&[3, 3, 13, 17][..], vec![0, 0, 1]));

    let broken = folder.write("dog/broken.png", &png[..200]);
    let images = ImageFolder::open(&folder.0).unwrap();
    let error = images.example(2, &mut Generator::new(0)).unwrap_err().to_string();
    assert!(error.contains("broken.png") && error.contains("doesn't decode"), "{error}");
    std::fs::write(&broken, b"GIF89a").unwrap();
    let error = read_image(&broken).unwrap_err().to_string();
    assert!(error.contains("neither a JPEG nor a PNG"), "{error}");
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    let error = ImageFolder::open(&folder.0).unwrap_err().to_string();
    assert!(error.contains("empty") && error.contains("no image"), "{error}");
    assert!(
        ImageFolder::open(folder.0.join("empty")).unwrap_err().to_string().contains("each class needs one")
    );
    // Bytes that were cut or changed anywhere are read or refused.
    for place in 0..png.len() {
        let mut bytes = png.clone();
        bytes[place] ^= 0x55;
        drop(decode_image(&bytes));
        drop(decode_image(&png[..place]));
    }
}

#[test]
fn cifar_files_are_read() {
    let image = |label: &[u8], fill: u8| [label, &[fill; 3072]].concat();
    let folder = Folder::new("cifar");
    let two = [image(&[3], 9), image(&[9], 8)].concat();
    for i in 1..6 {
        folder.write(&format!("data_batch_{i}.bin"), &two);
    }
    folder.write("test_batch.bin", &two);
    let (train, test) = load_cifar(&folder.0).unwrap();
    assert_eq!((train.len(), test.len(), train.features.dtype()), (10, 2, DType::U8));
    assert_eq!(
        (&train.features.shape()[..], train.labels[1], &train.classes[9][..]),
        (&[10, 3, 32, 32][..], 9, "truck")
    );
    assert_eq!(train.select(&[1]).unwrap().features.to_f64_vec()[0], 8.0);

    let bad = folder.write("data_batch_4.bin", &image(&[10], 0));
    let error = load_cifar(&folder.0).unwrap_err().to_string();
    assert!(error.contains("data_batch_4.bin: at byte 0: the label 10 of image 0"), "{error}");
    std::fs::write(&bad, &two[..4000]).unwrap();
    let error = read_cifar(&bad, Cifar::Ten).unwrap_err().to_string();
    assert!(error.contains("at byte 3073") && error.contains("has 927"), "{error}");
    let hundred = folder.write("train.bin", &image(&[19, 99], 1));
    assert_eq!(read_cifar(&hundred, Cifar::Hundred).unwrap().labels, [99]);
}

#[test]
fn texts_become_windows() {
    let folder = Folder::new("text");
    let text = Text::read(folder.write("a.txt", "αβγαβ".as_bytes())).unwrap();
    let windows = text.windows(3).unwrap();
    assert_eq!(windows.len(), 2);
    let batch = Loader::new(windows, 2).epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.inputs.to_i64_vec(), [0, 1, 2, 1, 2, 0]);
    assert_eq!(batch.targets.to_i64_vec(), [1, 2, 0, 2, 0, 1]);
    assert!(text.windows(5).is_err() && text.windows(0).is_err());
    let error = Text::read(folder.write("b.txt", b"ab\xFF")).unwrap_err().to_string();
    assert!(error.contains("b.txt: at byte 2"), "{error}");
    assert!(Text::read(folder.write("c.txt", b"")).unwrap_err().to_string().contains("empty"));
}
